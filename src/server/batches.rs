//! All events of one turn, batch by batch.

use std::io::{self, ErrorKind};
use std::time::Duration;

use mio::{Events, Poll};

/// The batches of one turn.
///
/// Events are edges: the kernel reports each once, and the next poll overwrites the batch before.
/// So [`Batches::poll`] either polls a batch and returns `true`, or polls nothing and returns
/// `false`: there is no batch that its caller does not see.
#[derive(Debug)]
pub struct Batches {
    /// How long the next poll may wait.
    timeout: Option<Duration>,
    /// How many batches may still be polled.
    left: usize,
    /// Whether the last one was full, so that there may be more events.
    was_full: bool,
}

impl Batches {
    /// At most `max` batches, the first of which is waited for: no longer than `timeout`, or
    /// without end.
    pub fn new(max: usize, timeout: Option<Duration>) -> Self {
        Self {
            timeout,
            left: max,
            was_full: true,
        }
    }

    /// Polls the next batch into `events`. Returns `false`, and leaves `events` as they are, if the
    /// batch before was the last one.
    ///
    /// # Errors
    /// What the kernel returns, other than `EINTR`, which ends the wait early.
    pub fn poll(&mut self, poll: &mut Poll, events: &mut Events) -> io::Result<bool> {
        if !self.was_full || self.left == 0 {
            return Ok(false);
        }
        match poll.poll(events, self.timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
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

    /// The tokens of one turn of at most two batches of two events.
    fn turn(poll: &mut Poll, events: &mut Events, timeout: Duration) -> Vec<usize> {
        let mut batches = Batches::new(2, Some(timeout));
        let mut tokens = Vec::new();
        while batches.poll(poll, events).unwrap() {
            tokens.extend(events.iter().map(|event| event.token().0));
        }
        tokens
    }

    #[test]
    fn edges_behind_the_last_full_batch_come_in_the_next_turn() {
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
    fn only_the_first_batch_is_waited_for() {
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
