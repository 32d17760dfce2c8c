//! The authenticator, on requests and addresses of every kind.

mod checks;
mod timing;

use std::time::{Duration, Instant};

use crate::hub::Call;
use crate::hub::Key;
use crate::hub::{ClientNet, Peer, TrustedProxies};
use crate::site::auth::failures::{FAILURES_MAX, Failures, WINDOWS_MAX};
use crate::site::auth::{
    Access, Authenticator, CheckResult, Decision, Policy, Reason, Scope, Secret, Subject,
};
use crate::wire::http::Request;
use base64::{Engine, prelude::BASE64_STANDARD};

const WALL: Duration = Duration::from_secs(1_700_000_000);
const SECRET: &str = "0123456789abcdef";
const PUBLIC: &str = "203.0.113.7:4711";
const PRIVATE: &str = "192.168.1.5:4711";

fn authenticator(policy: Policy) -> Authenticator {
    Authenticator::new(policy, vec!["front".into(), "back".into()], b"key")
}

fn call(peer: &str, target: &str, fields: &str) -> Call {
    let head = format!("GET {target} HTTP/1.0\r\n{fields}\r\n");
    let (request, _) = Request::parse(head.as_bytes()).unwrap().unwrap();
    let key = Key { slot: 0, number: 0 };
    Call {
        key,
        peer: Peer::Inet(peer.parse().unwrap()),
        request: Box::new(request),
        waited: false,
        asked_at: Instant::now(),
    }
}

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(pair))
}

/// The decision, in a word.
fn decision(authenticator: &mut Authenticator, call: &Call, now: Instant) -> &'static str {
    match authenticator.authorize(call, now, WALL) {
        Decision::Pass(_) => "pass",
        Decision::Wait { .. } => "wait",
        Decision::Refuse(Reason::PublicAddress) => "anonymous",
        Decision::Refuse(Reason::UnknownHost) => "host",
        Decision::Refuse(Reason::Credentials { .. }) => "credentials",
        Decision::Refuse(Reason::TooManyFailures { .. }) => "failures",
        Decision::Refuse(Reason::Busy) => "busy",
    }
}

#[test]
fn private_clients_are_served_without_credentials_and_all_with_them() {
    let open = Policy {
        hosts: vec!["cam".into()],
        ..Policy::default()
    };
    let public = Policy {
        is_public: true,
        ..open.clone()
    };
    let closed = Policy {
        secret: Some(SECRET.parse().unwrap()),
        ..open.clone()
    };
    let (own, evil) = ("Host: cam:8080\r\n", "Host: evil.example\r\n");
    let bearer = format!("Host: evil.example\r\nAuthorization: Bearer {SECRET}\r\n");
    for (policy, peer, fields, expected) in [
        (&open, PRIVATE, own, "pass"),
        (&open, PRIVATE, "", "pass"),
        (&open, PRIVATE, evil, "host"),
        (&open, PUBLIC, own, "anonymous"),
        (&open, PUBLIC, evil, "anonymous"),
        (&open, "[2001:db8::1]:1", own, "anonymous"),
        (&open, "[::ffff:10.0.0.1]:1", own, "pass"),
        (&open, "100.64.0.1:1", own, "anonymous"),
        (&public, PUBLIC, own, "pass"),
        (&public, PUBLIC, evil, "host"),
        (&closed, PRIVATE, own, "credentials"),
        (&closed, PUBLIC, own, "credentials"),
        (&closed, "127.0.0.1:1", own, "credentials"),
        (&closed, PUBLIC, &bearer, "pass"),
    ] {
        let got = decision(
            &mut authenticator(policy.clone()),
            &call(peer, "/", fields),
            Instant::now(),
        );
        assert_eq!(got, expected, "{policy:?} {peer} {fields}");
    }
}

#[test]
fn router_name_is_served_to_private_clients_alone() {
    let public = Policy {
        is_public: true,
        ..Policy::default()
    };
    for (peer, host, expected) in [
        (PRIVATE, "pi.fritz.box:8080", "pass"),
        (PRIVATE, "PI.LAN.", "pass"),
        (PUBLIC, "pi.lan", "host"),
        (PRIVATE, "pi.lan.evil.example", "host"),
    ] {
        let call = call(peer, "/", &format!("Host: {host}\r\n"));
        assert_eq!(
            decision(&mut authenticator(public.clone()), &call, Instant::now()),
            expected,
            "{peer} {host}"
        );
    }
}

#[test]
fn client_in_an_own_network_is_private() {
    let mut authenticator = authenticator(Policy::default());
    let now = Instant::now();
    let neighbour = call("[2001:db8:1:2::9]:1", "/", "Host: pi.lan\r\n");
    assert_eq!(decision(&mut authenticator, &neighbour, now), "anonymous");
    authenticator.set_own_networks(vec!["2001:db8:1:2::/64".parse().unwrap()]);
    assert_eq!(decision(&mut authenticator, &neighbour, now), "pass");
    assert_eq!(
        decision(
            &mut authenticator,
            &call("[2001:db8:1:3::9]:1", "/", ""),
            now
        ),
        "anonymous"
    );
}

#[test]
fn client_that_a_trusted_proxy_names_counts_instead_of_the_proxy() {
    let trusted_proxies = TrustedProxies {
        networks: vec!["172.18.0.0/16".parse().unwrap()],
        local: false,
    };
    let proxy = "172.18.0.2:4711";
    let open = Policy {
        trusted_proxies: trusted_proxies.clone(),
        ..Policy::default()
    };
    for (fields, expected) in [
        ("", "pass"),
        ("X-Forwarded-For: 192.168.1.5\r\n", "pass"),
        ("X-Forwarded-For: 203.0.113.9\r\n", "anonymous"),
        (
            "X-Forwarded-For: 192.168.1.5\r\nX-Forwarded-For: 203.0.113.9\r\n",
            "anonymous",
        ),
        ("Forwarded: for=\"[2001:db8::1]:4711\"\r\n", "anonymous"),
        ("X-Forwarded-For: nonsense\r\n", "pass"),
        (
            "Host: framecast\r\nX-Forwarded-Host: evil.example\r\n",
            "host",
        ),
        ("Host: framecast\r\nX-Forwarded-Host: pi.lan\r\n", "pass"),
    ] {
        let got = decision(
            &mut authenticator(open.clone()),
            &call(proxy, "/", fields),
            Instant::now(),
        );
        assert_eq!(got, expected, "{fields}");
    }
    let accounts = "ann:secret".parse().unwrap();
    let (mut closed, now) = (
        authenticator(Policy {
            accounts,
            trusted_proxies,
            ..Policy::default()
        }),
        Instant::now(),
    );
    let ask = |closed: &mut Authenticator, client: &str, pair: &str| {
        let fields = format!("X-Forwarded-For: {client}\r\n{}", basic(pair));
        decision(closed, &call(proxy, "/", &fields), now)
    };
    for _ in 0..10 {
        assert_eq!(ask(&mut closed, "203.0.113.9", "ann:wrong"), "credentials");
    }
    assert_eq!(ask(&mut closed, "203.0.113.9", "ann:secret"), "failures");
    assert_eq!(
        ask(&mut closed, "203.0.113.8", "ann:secret"),
        "pass",
        "another client of the same proxy"
    );
}

#[test]
fn one_camera_token_opens_what_concerns_its_camera() {
    let secret: Secret = SECRET.parse().unwrap();
    let mut authenticator = authenticator(Policy {
        secret: Some(secret.clone()),
        ..Policy::default()
    });
    let signed = |camera, from_now: i64| {
        let expires = Duration::from_secs((WALL.as_secs() as i64 + from_now) as u64);
        secret.sign(camera, expires).unwrap()
    };
    let (front, back, all, old) = (
        signed(Some("front"), 60),
        signed(Some("back"), 60),
        signed(None, 60),
        signed(None, -1),
    );
    let gone = signed(Some("gone"), 60);
    for (token, target, expected) in [
        (&front, "/stream?camera=front", "pass"),
        (&front, "/stream?", "pass"),
        (&front, "/snapshot.jpg?camera=front", "pass"),
        (&front, "/?action=stream", "pass"),
        (&front, "/?action=stream_0", "pass"),
        (&front, "/?action=snapshot_1", "credentials"),
        (&front, "/stream?camera=back", "credentials"),
        (&front, "/stream?camera=side", "credentials"),
        (&front, "/?camera=front", "pass"),
        (&front, "/?", "pass"),
        (&front, "/?camera=back", "credentials"),
        (&front, "/viewer.js?", "pass"),
        (&front, "/state?", "pass"),
        (&front, "/state?camera=back", "credentials"),
        (&front, "/events?frames=1", "pass"),
        (&front, "/events?loop=1", "credentials"),
        (&front, "/loop?", "credentials"),
        (&front, "/metrics?", "credentials"),
        (&front, "/healthz?", "credentials"),
        (&front, "/nothing?", "credentials"),
        (&back, "/stream?", "pass"),
        (&back, "/stream?camera=", "pass"),
        (&back, "/stream?camera=back", "pass"),
        (&back, "/?action=stream_0", "credentials"),
        (&gone, "/stream?", "credentials"),
        (&all, "/?", "pass"),
        (&all, "/metrics?", "pass"),
        (&old, "/state?", "credentials"),
    ] {
        let call = call(PUBLIC, &format!("{target}&token={token}"), "");
        assert_eq!(
            decision(&mut authenticator, &call, Instant::now()),
            expected,
            "{target} {token}"
        );
    }
    for _ in 0..20 {
        let call = call("203.0.113.8:1", &format!("/?token={old}"), "");
        assert_eq!(
            decision(&mut authenticator, &call, Instant::now()),
            "credentials",
            "an expired one is no failure"
        );
    }
    let now = Instant::now();
    let passed = authenticator.authorize(
        &call(PUBLIC, &format!("/stream?token={back}"), ""),
        now,
        WALL,
    );
    let Decision::Pass(Access { scope, permit }) = passed else {
        panic!("{passed:?}")
    };
    assert_eq!(
        (scope, permit.until),
        (Scope::Camera(1), Some(now + Duration::from_secs(60)))
    );
}

#[test]
fn ten_failed_logins_lock_out_a_network_that_never_logged_in() {
    let policy = Policy {
        accounts: "ann:secret".parse().unwrap(),
        ..Policy::default()
    };
    let (mut authenticator, start) = (authenticator(policy), Instant::now());
    let (wrong, right) = (basic("ann:secreT"), basic("ann:secret"));
    for _ in 0..20 {
        assert_eq!(
            decision(&mut authenticator, &call(PUBLIC, "/", ""), start),
            "credentials",
            "none is no failure"
        );
    }
    for _ in 0..10 {
        assert_eq!(
            decision(&mut authenticator, &call(PUBLIC, "/", &wrong), start),
            "credentials"
        );
    }
    assert_eq!(
        decision(&mut authenticator, &call(PUBLIC, "/", &right), start),
        "failures"
    );
    assert_eq!(
        decision(&mut authenticator, &call(PRIVATE, "/", &right), start),
        "pass"
    );
    let later = start + Duration::from_secs(60);
    assert_eq!(
        decision(&mut authenticator, &call(PUBLIC, "/", &right), later),
        "pass"
    );
    assert_eq!(
        (
            authenticator.counts().credentials,
            authenticator.counts().too_many_failures
        ),
        (30, 1)
    );
}

#[test]
fn right_credentials_that_came_from_a_network_before_are_never_locked_out() {
    let accounts = "ann:secret\nbob:other\ncat:third".parse().unwrap();
    let secret = Some(SECRET.parse().unwrap());
    let (mut authenticator, now) = (
        authenticator(Policy {
            accounts,
            secret,
            ..Policy::default()
        }),
        Instant::now(),
    );
    let mut ask = |fields: &str| decision(&mut authenticator, &call(PUBLIC, "/", fields), now);
    assert_eq!(ask(&basic("ann:secret")), "pass");
    for number in 0..10 {
        assert_eq!(ask(&basic(&format!("ann:wrong{number}"))), "credentials");
        assert_eq!(ask(&basic(&format!("bob:wrong{number}"))), "credentials");
    }
    assert_eq!(ask(&basic("ann:secret")), "pass");
    assert_eq!(ask(&basic("ann:wrong")), "failures");
    assert_eq!(
        ask(&basic("bob:other")),
        "failures",
        "never seen from there, and guessed at"
    );
    assert_eq!(
        ask(&basic("cat:third")),
        "pass",
        "a user at whom nothing was guessed"
    );
    assert_eq!(ask(&format!("Authorization: Bearer {SECRET}\r\n")), "pass");
    assert_eq!(
        ask(""),
        "credentials",
        "a browser without credentials is asked for them"
    );
}

#[test]
fn tokens_from_the_page_of_another_site_do_not_lock_out_its_visitors() {
    let accounts = "ann:secret".parse().unwrap();
    let secret = Some(SECRET.parse().unwrap());
    let policy = Policy {
        accounts,
        secret,
        ..Policy::default()
    };
    let (right, token) = (basic("ann:secret"), format!("/?token={SECRET}"));
    for site in [
        "",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        let (mut authenticator, now) = (authenticator(policy.clone()), Instant::now());
        let mut ask = |target: &str, fields: &str| {
            decision(&mut authenticator, &call(PUBLIC, target, fields), now)
        };
        for number in 0..12 {
            let expected = if number < 10 {
                "credentials"
            } else {
                "failures"
            };
            assert_eq!(ask(&format!("/?token={number}"), site), expected, "{site}");
        }
        assert_eq!(
            ask(&token, site),
            "failures",
            "guesses of an unknown network are bounded"
        );
        assert_eq!(
            ask(&token, "Sec-Fetch-Site: none\r\n"),
            "pass",
            "a link that the user opens"
        );
        assert_eq!(ask("/", &right), "pass");
        for number in 0..30 {
            assert_eq!(
                ask(&format!("/?token=x{number}"), site),
                "credentials",
                "{site}"
            );
        }
        assert_eq!(ask("/", &right), "pass");
        assert_eq!(ask(&token, site), "pass");
    }
}

#[test]
fn credentials_are_read_in_latin_1_and_in_utf_8() {
    let latin1 = |pair: &str| {
        let bytes: Vec<u8> = pair
            .chars()
            .map(|character| u8::try_from(character).unwrap())
            .collect();
        format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(bytes))
    };
    let hash = bcrypt::hash("p\u{e4}ss", 4).unwrap();
    let accounts = format!("J\u{fc}rgen:p\u{e4}ss\nZo\u{eb}:{hash}")
        .parse()
        .unwrap();
    let (mut authenticator, now) = (
        authenticator(Policy {
            accounts,
            ..Policy::default()
        }),
        Instant::now(),
    );
    for (pair, expected) in [
        ("J\u{fc}rgen:p\u{e4}ss", "pass"),
        ("Zo\u{eb}:p\u{e4}ss", "wait"),
    ] {
        for fields in [latin1(pair), basic(pair)] {
            assert_eq!(
                decision(&mut authenticator, &call(PRIVATE, "/", &fields), now),
                expected,
                "{fields}"
            );
        }
    }
    for _ in 0..2 {
        let check = authenticator.next_check().unwrap();
        assert!(check.target.hash.verify(&check.password) && check.target.tag.is_some());
        let ticket = check.ticket;
        authenticator.finish(ticket, CheckResult::Right, now);
    }
    for fields in [latin1("Zo\u{eb}:p\u{e4}ss"), basic("Zo\u{eb}:p\u{e4}ss")] {
        assert_eq!(
            decision(&mut authenticator, &call(PRIVATE, "/", &fields), now),
            "pass"
        );
    }
    let wrong = latin1("J\u{fc}rgen:p\u{f6}ss");
    assert_ne!(
        decision(&mut authenticator, &call(PRIVATE, "/", &wrong), now),
        "pass"
    );
}

fn client_net(number: u32) -> ClientNet {
    ClientNet::V4(number.into())
}

#[test]
fn failures_block_until_their_minute_is_over() {
    let (mut failures, start) = (Failures::default(), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    for second in 0..u64::from(FAILURES_MAX) {
        assert_eq!(
            failures.blocked_for(client_net(1), Subject::Any, at(second)),
            None
        );
        failures.count(client_net(1), Subject::Token, at(second));
    }
    for subject in [Subject::Any, Subject::Token] {
        assert_eq!(
            failures.blocked_for(client_net(1), subject, at(10)),
            Some(Duration::from_secs(50))
        );
    }
    assert_eq!(
        failures.blocked_for(client_net(1), Subject::EmbeddedToken, at(10)),
        None
    );
    assert_eq!(
        failures.blocked_for(client_net(2), Subject::Any, at(10)),
        None
    );
    assert_eq!(
        failures.blocked_for(client_net(1), Subject::Any, at(60)),
        None
    );
    failures.count(client_net(1), Subject::EmbeddedToken, at(61));
    let of = |subject| failures.of(client_net(1), subject, at(61));
    assert_eq!((of(Subject::EmbeddedToken), of(Subject::Any)), (1, 0));
}

#[test]
fn table_of_failures_is_bounded_and_drops_the_oldest() {
    let (mut failures, start) = (Failures::default(), Instant::now());
    let subject = Subject::EmbeddedToken;
    for number in 0..WINDOWS_MAX as u32 + 100 {
        failures.count(
            client_net(number),
            subject,
            start + Duration::from_millis(number.into()),
        );
    }
    assert_eq!(failures.len(), WINDOWS_MAX);
    let now = start + Duration::from_secs(5);
    assert_eq!(
        (
            failures.of(client_net(99), subject, now),
            failures.of(client_net(100), subject, now)
        ),
        (0, 1)
    );
    failures.count(client_net(7), subject, start + Duration::from_secs(120));
    assert_eq!(failures.len(), 1, "those whose minute is over go first");
}

#[test]
fn logins_are_bounded_and_not_remembered_forever() {
    let accounts = "ann:secret".parse().unwrap();
    let (mut authenticator, start) = (
        authenticator(Policy {
            accounts,
            ..Policy::default()
        }),
        Instant::now(),
    );
    let login = |authenticator: &mut Authenticator, number: u32, now: Instant| {
        let peer = std::net::SocketAddr::from((std::net::Ipv4Addr::from(0xcb00_0000 + number), 1))
            .to_string();
        decision(authenticator, &call(&peer, "/", &basic("ann:secret")), now)
    };
    let lock_out = |authenticator: &mut Authenticator, now: Instant| {
        for _ in 0..10 {
            let wrong = call("203.0.0.1:1", "/", &basic("ann:wrong"));
            assert_eq!(decision(authenticator, &wrong, now), "credentials");
        }
    };
    assert_eq!(login(&mut authenticator, 1, start), "pass");
    lock_out(&mut authenticator, start);
    assert_eq!(login(&mut authenticator, 1, start), "pass");
    let later = start + Duration::from_secs(31 * 86_400);
    lock_out(&mut authenticator, later);
    assert_eq!(
        login(&mut authenticator, 1, later),
        "failures",
        "after a month"
    );
    // Past the bound, the network that logged in longest ago is dropped.
    let (second, third) = (
        later + Duration::from_secs(61),
        later + Duration::from_secs(62),
    );
    assert_eq!(login(&mut authenticator, 1, second), "pass");
    (0..4096)
        .for_each(|number| assert_eq!(login(&mut authenticator, 1000 + number, third), "pass"));
    lock_out(&mut authenticator, third);
    assert_eq!(login(&mut authenticator, 1, third), "failures");
    assert_eq!(login(&mut authenticator, 1000, third), "pass");
}
