//! The guard, on requests and addresses of every kind.

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use framecast::site::auth::failures::{Failures, HOUSEHOLDS_MAX};
use framecast::site::auth::{Guard, Judgement, Policy, Reason, Secret, Verdict};
use framecast::stream::hub::Call;
use framecast::stream::{Household, Key, Peer};
use framecast::wire::http::Request;

const WALL: Duration = Duration::from_secs(1_700_000_000);
const SECRET: &str = "0123456789abcdef";
const STRANGER: &str = "203.0.113.7:4711";
const NEAR: &str = "192.168.1.5:4711";

fn guard(policy: Policy) -> Guard {
    Guard::new(policy, vec!["front".into(), "back".into()], b"key")
}

fn call(peer: &str, target: &str, fields: &str) -> Call {
    let head = format!("GET {target} HTTP/1.0\r\n{fields}\r\n");
    let (request, _) = Request::parse(head.as_bytes()).unwrap().unwrap();
    let key = Key { slot: 0, number: 0 };
    Call { key, peer: Peer::Inet(peer.parse().unwrap()), request: Box::new(request), waited: false }
}

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(pair))
}

/// What the guard says, in a word.
fn verdict(guard: &mut Guard, call: &Call, now: Instant) -> &'static str {
    match guard.judge(call, now, WALL) {
        Judgement::Pass => "pass",
        Judgement::Wait { .. } => "wait",
        Judgement::Refuse(Reason::Stranger) => "stranger",
        Judgement::Refuse(Reason::OtherHost) => "host",
        Judgement::Refuse(Reason::Credentials) => "credentials",
        Judgement::Refuse(Reason::TooManyFailures { .. }) => "failures",
        Judgement::Refuse(Reason::Busy) => "busy",
    }
}

#[test]
fn without_credentials_the_near_are_served_and_with_them_those_who_have_them() {
    let open = Policy { hosts: vec!["cam".into()], ..Policy::default() };
    let public = Policy { is_public: true, ..open.clone() };
    let closed = Policy { secret: Some(SECRET.parse().unwrap()), ..open.clone() };
    let (own, evil) = ("Host: cam:8080\r\n", "Host: evil.example\r\n");
    let bearer = format!("Host: evil.example\r\nAuthorization: Bearer {SECRET}\r\n");
    for (policy, peer, fields, expected) in [
        (&open, NEAR, own, "pass"),
        (&open, NEAR, "", "pass"),
        (&open, NEAR, evil, "host"),
        (&open, STRANGER, own, "stranger"),
        (&open, STRANGER, evil, "stranger"),
        (&open, "[2001:db8::1]:1", own, "stranger"),
        (&open, "[::ffff:10.0.0.1]:1", own, "pass"),
        (&open, "100.64.0.1:1", own, "stranger"),
        (&public, STRANGER, own, "pass"),
        (&public, STRANGER, evil, "host"),
        (&closed, NEAR, own, "credentials"),
        (&closed, STRANGER, own, "credentials"),
        (&closed, "127.0.0.1:1", own, "credentials"),
        (&closed, STRANGER, &bearer, "pass"),
    ] {
        let got = verdict(&mut guard(policy.clone()), &call(peer, "/", fields), Instant::now());
        assert_eq!(got, expected, "{policy:?} {peer} {fields}");
    }
}

#[test]
fn a_token_for_one_camera_opens_its_pictures_and_nothing_else() {
    let secret: Secret = SECRET.parse().unwrap();
    let mut guard = guard(Policy { secret: Some(secret.clone()), ..Policy::default() });
    let signed = |camera, from_now: i64| {
        let expires = Duration::from_secs((WALL.as_secs() as i64 + from_now) as u64);
        secret.sign(camera, expires).unwrap()
    };
    let (front, back, all, old) =
        (signed(Some("front"), 60), signed(Some("back"), 60), signed(None, 60), signed(None, -1));
    for (token, target, expected) in [
        (&front, "/stream?camera=front", "pass"),
        (&front, "/stream?", "pass"),
        (&front, "/snapshot.jpg?camera=front", "pass"),
        (&front, "/?action=stream_0", "pass"),
        (&front, "/?action=snapshot_1", "credentials"),
        (&front, "/stream?camera=back", "credentials"),
        (&front, "/stream?camera=side", "credentials"),
        (&front, "/state?camera=front", "credentials"),
        (&front, "/?camera=front", "credentials"),
        (&front, "/nothing?", "credentials"),
        (&back, "/stream?", "credentials"),
        (&back, "/stream?camera=back", "pass"),
        (&all, "/?", "pass"),
        (&all, "/state?", "pass"),
        (&old, "/state?", "credentials"),
    ] {
        let got = verdict(&mut guard, &call(STRANGER, &format!("{target}&token={token}"), ""), Instant::now());
        assert_eq!(got, expected, "{target} {token}");
    }
    for _ in 0..20 {
        let got = verdict(&mut guard, &call(STRANGER, &format!("/?token={old}"), ""), Instant::now());
        assert_eq!(got, "credentials", "an old one is no guess");
    }
}

#[test]
fn ten_wrong_credentials_are_listened_to_and_no_more() {
    let policy = Policy { accounts: "ann:secret".parse().unwrap(), ..Policy::default() };
    let (mut guard, start) = (guard(policy), Instant::now());
    let (wrong, right) = (basic("ann:secreT"), basic("ann:secret"));
    for _ in 0..20 {
        assert_eq!(verdict(&mut guard, &call(STRANGER, "/", ""), start), "credentials", "none is no mistake");
    }
    for _ in 0..10 {
        assert_eq!(verdict(&mut guard, &call(STRANGER, "/", &wrong), start), "credentials");
    }
    assert_eq!(verdict(&mut guard, &call(STRANGER, "/", &right), start), "failures");
    assert_eq!(verdict(&mut guard, &call(NEAR, "/", &right), start), "pass");
    let later = start + Duration::from_secs(60);
    assert_eq!(verdict(&mut guard, &call(STRANGER, "/", &right), later), "pass");
    assert_eq!((guard.counts().credentials, guard.counts().too_many_failures), (30, 1));
}

#[test]
fn a_hash_is_checked_once_and_unknown_names_as_long_as_known_ones() {
    let hash = bcrypt::hash("secret", 4).unwrap();
    let accounts = format!("ann:{hash}\nbob:plain").parse().unwrap();
    let (mut guard, now) = (guard(Policy { accounts, ..Policy::default() }), Instant::now());
    let ask = |guard: &mut Guard, pair: &str| verdict(guard, &call(NEAR, "/", &basic(pair)), now);
    let settle = |guard: &mut Guard, verdict: Verdict| {
        let ticket = guard.next_check().unwrap().ticket;
        guard.settle(ticket, verdict, now);
    };
    assert_eq!(ask(&mut guard, "ann:secret"), "wait");
    assert_eq!(ask(&mut guard, "ann:secret"), "wait");
    assert_eq!(ask(&mut guard, "eve:secret"), "wait", "an unknown name is checked, too");
    assert_eq!(ask(&mut guard, "bob:secret"), "wait", "and so is a wrong password kept in plain");
    assert_eq!(ask(&mut guard, "bob:plain"), "pass");
    let check = guard.next_check().unwrap();
    assert!(check.hash.admits(&check.password));
    settle(&mut guard, Verdict::Right);
    assert_eq!(ask(&mut guard, "ann:secret"), "pass");
    // Eve's password fits Ann's hash, which opens nothing for Eve.
    settle(&mut guard, Verdict::Right);
    assert_eq!(ask(&mut guard, "eve:secret"), "credentials");
    settle(&mut guard, Verdict::Unknown);
    assert_eq!(ask(&mut guard, "bob:secret"), "busy");
    assert!(guard.next_check().is_none());
    let later = now + Duration::from_secs(601);
    assert_eq!(verdict(&mut guard, &call(NEAR, "/", &basic("ann:secret")), later), "wait", "not for ever");
}

#[test]
fn checks_that_wait_are_bounded_for_each_and_for_all() {
    let hash = bcrypt::hash("secret", 4).unwrap();
    let accounts = format!("ann:{hash}").parse().unwrap();
    let (mut guard, now) = (guard(Policy { accounts, ..Policy::default() }), Instant::now());
    let mut ask = |household: u8, number: usize| {
        let peer = format!("203.0.113.{household}:1");
        verdict(&mut guard, &call(&peer, "/", &basic(&format!("ann:{household}-{number}"))), now)
    };
    let waiting = |answers: Vec<&str>| answers.iter().filter(|answer| **answer == "wait").count();
    assert_eq!(waiting((0..20).map(|number| ask(1, number)).collect()), 10);
    assert_eq!(waiting((2..20).flat_map(|household| [ask(household, 0); 10]).collect()), 180, "the same is one");
    assert_eq!(waiting((20..200).map(|household| ask(household, 0)).collect()), 64 - 10 - 18);
    let mut late = call(NEAR, "/", &basic("ann:secret"));
    late.waited = true;
    assert_eq!(verdict(&mut guard, &late, now), "busy", "nobody waits twice");
}

fn household(number: u32) -> Household {
    Household::V4(number.into())
}

#[test]
fn failures_block_until_their_minute_is_over() {
    let (mut failures, start) = (Failures::default(), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    for second in 0..10 {
        assert_eq!(failures.blocked_for(household(1), at(second)), None);
        failures.count(household(1), at(second));
    }
    assert_eq!(failures.blocked_for(household(1), at(10)), Some(Duration::from_secs(50)));
    assert_eq!(failures.blocked_for(household(2), at(10)), None);
    assert_eq!(failures.blocked_for(household(1), at(60)), None);
    failures.count(household(1), at(61));
    assert_eq!(failures.of(household(1), at(61)), 1);
}

#[test]
fn the_table_of_failures_is_bounded_and_forgets_the_oldest() {
    let (mut failures, start) = (Failures::default(), Instant::now());
    for number in 0..HOUSEHOLDS_MAX as u32 + 100 {
        failures.count(household(number), start + Duration::from_millis(number.into()));
    }
    assert_eq!(failures.households(), HOUSEHOLDS_MAX);
    let now = start + Duration::from_secs(5);
    assert_eq!((failures.of(household(99), now), failures.of(household(100), now)), (0, 1));
    failures.count(household(7), start + Duration::from_secs(120));
    assert_eq!(failures.households(), 1, "those whose minute is over go first");
}
