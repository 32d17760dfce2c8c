//! Parsing and display of Redis URLs.

use crate::drivers::Source;
use crate::publish::Target;

#[test]
fn addresses_are_parsed_and_displayed_as_written() {
    for (text, canonical) in [
        ("redis://h/cam", "redis://h/cam#timeout=5s&insecure=0"),
        (
            "rediss://h:6380/2/cam#insecure=1&timeout=1m",
            "rediss://h:6380/2/cam#timeout=1m&insecure=1",
        ),
        (
            "redis+list://[::1]:7/a%2Fb:c",
            "redis+list://[::1]:7/a%2Fb:c#timeout=5s&insecure=0",
        ),
        (
            "rediss+list://h/0/x%20y",
            "rediss+list://h/x%20y#timeout=5s&insecure=0",
        ),
    ] {
        let source: Source = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(source.to_string(), text);
        assert_eq!(canonical.parse::<Source>().unwrap(), source);
    }
    for (text, canonical) in [
        ("redis://h/cam", "redis://h/cam#insecure=0"),
        (
            "redis+list://h/1/work",
            "redis+list://h/1/work?max=100#insecure=0",
        ),
        (
            "rediss+list://h/work?max=7#insecure=1",
            "rediss+list://h/work?max=7#insecure=1",
        ),
    ] {
        let target: Target = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(target.to_string(), text);
        assert_eq!(canonical.parse::<Target>().unwrap(), target);
    }
}

#[test]
fn credentials_are_parsed_but_not_displayed() {
    for userinfo in ["user:se%40cret", ":se%40cret"] {
        let source: Source = format!("redis://{userinfo}@h/cam").parse().unwrap();
        assert_eq!(source.to_string(), "redis://***@h/cam");
        assert!(source.address().expose().contains("se%40cret"));
        assert!(!format!("{source:?}").contains("cret"));
        let target: Target = format!("redis+list://{userinfo}@h/work").parse().unwrap();
        assert_eq!(target.to_string(), "redis+list://***@h/work");
        assert!(!format!("{target:?}").contains("cret"));
    }
}

#[test]
fn invalid_address_is_rejected_and_not_displayed() {
    let no_source = "redis: redis:h redis:///secret redis://h redis://h/ redis://h/one/secret redis://h/1/2/secret \
        redis://:80/secret redis://user:secret#x@h/cam redis://h/%ffsecret rediss+list://h/-1/secret";
    for text in no_source.split(' ') {
        for error in [
            text.parse::<Source>().map(drop),
            text.parse::<Target>().map(drop),
        ] {
            let sentence = error.expect_err(text).to_string();
            assert!(sentence.contains("invalid Redis address"), "{sentence}");
            assert!(!sentence.contains("secret"), "{sentence}");
        }
    }
}
