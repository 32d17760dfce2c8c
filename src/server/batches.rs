//! The events of one turn, polled in batches.

use std::io::{self, ErrorKind};
use std::time::Duration;

use mio::{Events, Poll};

/// The batches of one turn.
///
/// The kernel reports each edge once, and a poll overwrites the events of the previous poll. So the
/// caller must dispatch every batch that [`Batches::poll`] polls: it returns `true` for each of
/// them, and `false` only if it has not polled.
#[derive(Debug)]
pub struct Batches {
    /// The timeout of the next poll.
    timeout: Option<Duration>,
    /// The number of batches that may still be polled.
    left: usize,
    /// The last batch was full, so there may be more events.
    was_full: bool,
}

impl Batches {
    /// At most `max` batches. The first poll waits for `timeout`, or without limit; the others do not
    /// wait.
    pub fn new(max: usize, timeout: Option<Duration>) -> Self {
        Self {
            timeout,
            left: max,
            was_full: true,
        }
    }

    /// Polls the next batch into `events` and returns `true`. Returns `false` without polling when
    /// the last batch was not full (nothing left), or `max` batches were polled (own budget): the
    /// kernel keeps the events that are not polled yet.
    ///
    /// # Errors
    /// Those of epoll_wait(2) but `EINTR`, after which the batch is empty.
    pub fn poll(&mut self, poll: &mut Poll, events: &mut Events) -> io::Result<bool> {
        if !self.was_full || self.left == 0 {
            return Ok(false);
        }
        if let Err(error) = poll.poll(events, self.timeout)
            && error.kind() != ErrorKind::Interrupted
        {
            return Err(error);
        }
        self.timeout = Some(Duration::ZERO);
        self.left -= 1;
        self.was_full = events.iter().count() == events.capacity();
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Instant;

    use mio::{Interest, Token};

    use super::*;

    /// Polls at most two batches of two events, and returns their tokens.
    fn turn(poll: &mut Poll, events: &mut Events, timeout: Duration) -> Vec<usize> {
        let mut batches = Batches::new(2, Some(timeout));
        let mut tokens = Vec::new();
        while batches.poll(poll, events).unwrap() {
            tokens.extend(events.iter().map(|event| event.token().0));
        }
        tokens
    }

    #[test]
    fn edges_beyond_the_last_batch_are_reported_in_the_next_turn() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(2);
        let mut pipes: Vec<_> = (0..11).map(|_| mio::unix::pipe::new().unwrap()).collect();
        for (index, (sender, receiver)) in pipes.iter_mut().enumerate() {
            poll.registry()
                .register(receiver, Token(index), Interest::READABLE)
                .unwrap();
            sender.write_all(b"x").unwrap();
        }
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.extend(turn(&mut poll, &mut events, Duration::from_secs(5)));
        }
        seen.sort_unstable();
        assert_eq!(
            seen,
            (0..11).collect::<Vec<_>>(),
            "each edge is reported once, and none is lost"
        );
    }

    #[test]
    fn second_batch_does_not_wait() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(2);
        let (mut sender, mut receiver) = mio::unix::pipe::new().unwrap();
        let (mut second, mut other) = mio::unix::pipe::new().unwrap();
        poll.registry()
            .register(&mut receiver, Token(0), Interest::READABLE)
            .unwrap();
        poll.registry()
            .register(&mut other, Token(1), Interest::READABLE)
            .unwrap();
        sender.write_all(b"x").unwrap();
        second.write_all(b"x").unwrap();
        let began = Instant::now();
        assert_eq!(
            turn(&mut poll, &mut events, Duration::from_secs(60)).len(),
            2
        );
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "the second poll does not wait"
        );
    }
}
