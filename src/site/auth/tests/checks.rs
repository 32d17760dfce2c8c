//! Checks of password hashes, which take longer than a turn may.

use super::*;

/// An authenticator of one user whose password is kept as a hash, as are those of `others`.
fn hashed(others: &str) -> Authenticator {
    let hash = bcrypt::hash("secret", 4).unwrap();
    let accounts = format!("ann:{hash}\n{others}").parse().unwrap();
    authenticator(Policy {
        accounts,
        ..Policy::default()
    })
}

/// Ends the check that is due, and returns its password.
fn finish(authenticator: &mut Authenticator, result: CheckResult, now: Instant) -> String {
    let check = authenticator.next_check().unwrap();
    let (ticket, password) = (
        check.ticket,
        String::from_utf8(check.password.clone()).unwrap(),
    );
    authenticator.finish(ticket, result, now);
    password
}

#[test]
fn hash_is_checked_once_and_for_unknown_names_too() {
    let (mut authenticator, now) = (hashed("bob:plain"), Instant::now());
    let ask = |authenticator: &mut Authenticator, pair: &str| {
        decision(authenticator, &call(PRIVATE, "/", &basic(pair)), now)
    };
    assert_eq!(ask(&mut authenticator, "ann:secret"), "wait");
    assert_eq!(ask(&mut authenticator, "ann:secret"), "wait");
    assert_eq!(
        ask(&mut authenticator, "eve:secret"),
        "wait",
        "an unknown name"
    );
    assert_eq!(
        ask(&mut authenticator, "bob:secret"),
        "wait",
        "a wrong password of one that is kept in plain"
    );
    assert_eq!(ask(&mut authenticator, "bob:plain"), "pass");
    assert_eq!(
        finish(&mut authenticator, CheckResult::Right, now),
        "secret"
    );
    assert_eq!(ask(&mut authenticator, "ann:secret"), "pass");
    // Eve's password fits Ann's hash, which opens nothing for Eve.
    finish(&mut authenticator, CheckResult::Right, now);
    assert_eq!(ask(&mut authenticator, "eve:secret"), "credentials");
    finish(&mut authenticator, CheckResult::Unknown, now);
    assert_eq!(ask(&mut authenticator, "bob:secret"), "busy");
    assert!(authenticator.next_check().is_none());
    let later = now + Duration::from_secs(86_400);
    let right = call(PRIVATE, "/", &basic("ann:secret"));
    assert_eq!(
        decision(&mut authenticator, &right, later),
        "pass",
        "remembered past any attack"
    );
    let accounts = format!("ann:{}", bcrypt::hash("secret", 4).unwrap())
        .parse()
        .unwrap();
    assert!(authenticator.replace(accounts, None));
    assert_eq!(
        decision(&mut authenticator, &right, later),
        "wait",
        "but not past a change of the credentials"
    );
}

#[test]
fn failed_check_counts_although_its_connection_is_gone() {
    let (mut authenticator, now) = (hashed(""), Instant::now());
    let mut begun = 0;
    for number in 0..115 {
        let guess = call(PUBLIC, "/", &basic(&format!("ann:guess{number}")));
        // The request is never authorized again: its connection was reset.
        match decision(&mut authenticator, &guess, now) {
            "wait" => begun += 1,
            refused => assert!(["busy", "failures"].contains(&refused), "{refused}"),
        }
        if authenticator.next_check().is_some() {
            finish(&mut authenticator, CheckResult::Wrong, now);
        }
    }
    assert_eq!(begun, 10);
    assert_eq!(
        decision(
            &mut authenticator,
            &call(PUBLIC, "/", &basic("ann:secret")),
            now
        ),
        "failures"
    );
}

#[test]
fn failed_check_counts_once_for_all_requests_that_wait_for_it() {
    let (mut authenticator, now) = (hashed(""), Instant::now());
    let wrong = call(PUBLIC, "/", &basic("ann:wrong"));
    for _ in 0..6 {
        assert_eq!(
            decision(&mut authenticator, &wrong, now),
            "wait",
            "a page loads several files at once"
        );
    }
    finish(&mut authenticator, CheckResult::Wrong, now);
    for _ in 0..6 {
        assert_eq!(decision(&mut authenticator, &wrong, now), "credentials");
    }
    for _ in 0..9 {
        assert_eq!(
            decision(&mut authenticator, &wrong, now),
            "credentials",
            "each later request counts"
        );
    }
    assert_eq!(decision(&mut authenticator, &wrong, now), "failures");
}

/// A guess of its own from one of many networks.
fn guess(network: u8, number: usize) -> Call {
    call(
        &format!("198.51.100.{network}:1"),
        "/",
        &basic(&format!("ann:{network}-{number}")),
    )
}

#[test]
fn waiting_checks_are_bounded_for_each_network_and_for_all() {
    let (mut authenticator, now) = (hashed(""), Instant::now());
    let mut ask =
        |network, number| decision(&mut authenticator, &guess(network, number), now) == "wait";
    assert_eq!((0..20).filter(|number| ask(1, *number)).count(), 10);
    for network in 2..20 {
        assert!((0..10).all(|_| ask(network, 0)), "the same is one");
    }
    assert_eq!(
        (20..200).filter(|network| ask(*network, 0)).count(),
        64 - 19,
        "others make room down to their last"
    );
    let mut late = call(PRIVATE, "/", &basic("ann:secret"));
    late.waited = true;
    assert_eq!(
        decision(&mut authenticator, &late, now),
        "busy",
        "a request waits only once"
    );
    let dropped = authenticator.take_dropped();
    assert_eq!((dropped.len(), authenticator.take_dropped().len()), (9, 0));
    let again: Vec<_> = (0..10)
        .map(|number| decision(&mut authenticator, &guess(1, number), now))
        .collect();
    assert_eq!(
        again.iter().filter(|again| **again == "busy").count(),
        9,
        "their requests are answered"
    );
}

#[test]
fn right_password_is_checked_soon_while_seven_networks_guess() {
    let (mut authenticator, now) = (
        hashed("bob:$2b$04$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"),
        Instant::now(),
    );
    let right = call(PRIVATE, "/", &basic("ann:secret"));
    let flood = |authenticator: &mut Authenticator, wave: usize| {
        let guesses = (1..=7)
            .flat_map(|network| (0..10).map(move |number| guess(network, 100 * wave + number)));
        guesses.for_each(|guess| _ = decision(authenticator, &guess, now));
    };
    flood(&mut authenticator, 0);
    finish(&mut authenticator, CheckResult::Wrong, now);
    assert_eq!(
        decision(&mut authenticator, &right, now),
        "wait",
        "there is room"
    );
    let checked = (0..8).map(|_| finish(&mut authenticator, CheckResult::Wrong, now));
    assert!(
        checked.collect::<Vec<_>>().contains(&"secret".to_owned()),
        "each network has its turn"
    );

    // From a network that has logged in, another user's password is next but for the one that is
    // being checked.
    let mut authenticator =
        hashed("bob:$2b$04$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy");
    assert_eq!(decision(&mut authenticator, &right, now), "wait");
    finish(&mut authenticator, CheckResult::Right, now);
    assert_eq!(decision(&mut authenticator, &right, now), "pass");
    flood(&mut authenticator, 1);
    let running = authenticator.next_check().unwrap().ticket;
    assert_eq!(
        decision(&mut authenticator, &right, now),
        "pass",
        "known without a check"
    );
    assert_eq!(
        decision(
            &mut authenticator,
            &call(PRIVATE, "/", &basic("bob:other")),
            now
        ),
        "wait"
    );
    assert_eq!(
        authenticator.next_check().unwrap().ticket,
        running,
        "it is not cut short"
    );
    finish(&mut authenticator, CheckResult::Wrong, now);
    assert_eq!(finish(&mut authenticator, CheckResult::Wrong, now), "other");
}

#[test]
fn changed_credentials_revoke_what_they_opened() {
    let accounts: &str = "ann:secret\nbob:plain";
    let secret: Secret = SECRET.parse().unwrap();
    let policy = Policy {
        accounts: accounts.parse().unwrap(),
        secret: Some(secret.clone()),
        ..Policy::default()
    };
    let (mut authenticator, now) = (authenticator(policy), Instant::now());
    let token = secret
        .sign(Some("front"), WALL + Duration::from_secs(60))
        .unwrap();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let mut permit = |fields: &str| match authenticator.authorize(
        &call(PRIVATE, "/stream", fields),
        now,
        WALL,
    ) {
        Decision::Pass(access) => access.permit,
        other => panic!("{other:?}"),
    };
    let permits = [
        permit(&basic("ann:secret")),
        permit(&basic("bob:plain")),
        permit(&bearer),
    ];
    let valid =
        |authenticator: &Authenticator| permits.map(|permit| authenticator.is_valid(&permit));
    assert!(
        !authenticator.replace(accounts.parse().unwrap(), Some(secret.clone())),
        "nothing has changed"
    );
    assert_eq!(valid(&authenticator), [true; 3]);
    assert!(authenticator.replace("ann:secret\nbob:other".parse().unwrap(), Some(secret)));
    assert_eq!(valid(&authenticator), [true, false, true]);
    assert!(authenticator.replace(
        "ann:secret".parse().unwrap(),
        Some("another-secret-of-16".parse().unwrap())
    ));
    assert_eq!(valid(&authenticator), [true, false, false]);
    assert!(
        authenticator.is_valid(&Access::default().permit),
        "what needs no credential"
    );
}
