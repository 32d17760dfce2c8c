//! Faults on purpose. A test that is to find faults is only as good as the faults it has been seen to find: each of
//! these is switched on by the simulation, which must then fail. Without the feature `sabotage`, which nothing but that
//! test asks for, `is` is `false` when the program is built, and nothing of this is in it.

use std::cell::Cell;

thread_local! {
    static ACTIVE: Cell<Option<Sabotage>> = const { Cell::new(None) };
}

/// Whether this fault is to be committed now.
#[inline(always)]
pub(crate) fn is(sabotage: Sabotage) -> bool {
    cfg!(feature = "sabotage") && ACTIVE.get() == Some(sabotage)
}

/// Switches one fault on, or all of them off, for this thread.
pub fn set(sabotage: Option<Sabotage>) {
    ACTIVE.set(sabotage);
}

macro_rules! sabotages {
    ($($(#[doc = $words:literal])+ $name:ident,)+) => {
        /// A way to break the heart.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Sabotage {
            $($(#[doc = $words])+ $name,)+
        }

        impl Sabotage {
            /// Every one of them.
            pub const ALL: &[Sabotage] = &[$(Sabotage::$name,)+];
        }
    };
}

sabotages! {
    /// Stop reading before the transport would block, and take the edge for used up.
    ForgetToDrain,
    /// Take a budget that is spent for a transport that is full.
    ForgetWritable,
    /// Forget a connection whose budget is spent.
    ForgetReschedule,
    /// Take whoever has the slot for the connection that is meant.
    DropGeneration,
    /// Free the slot of a connection in the middle of a batch of events.
    FreeInBatch,
    /// Take a short write for a whole one.
    TrustShortWrite,
    /// Take back a frame that has begun to leave.
    TakeBackBegun,
    /// Keep a frame that found no room, and send it when there is some, though there is a newer one.
    KeepUntouched,
    /// Forget the frame that a viewer's rate held back.
    LoseHeld,
    /// Charge a frame twice to its viewer's rate.
    PayTwice,
    /// Forget the viewers of a camera that has a new frame.
    ForgetViewer,
    /// Take a viewer whose transport has no room for an idle one.
    BlockedIsIdle,
    /// Refill a viewer's bucket a thousand times too slowly.
    NeverRefill,
    /// Never give a frame again.
    ForgetRepeat,
    /// Count a skipped frame twice.
    SkipTwice,
    /// Count no frame as cut.
    ForgetCut,
    /// Leave a viewer that has gone in its channel.
    ForgetUnsubscribe,
    /// Have the next chunk of a body made before the last has left.
    PullEarly,
    /// Forget whoever waits for the next chunk of a body.
    ForgetReader,
    /// Throw away what is left of an event when there is a newer one.
    TearEvent,
    /// Make as much in a turn as there are readers for.
    ForgetMakingBudget,
    /// Have one that has gone follow its topics.
    FollowForEver,
    /// Say nothing to a reader, however long the silence.
    StaySilent,
    /// Never let go of past frames.
    KeepPastFrames,
    /// Have no deadline once the request is in.
    NoDeadlineAfterHead,
    /// Let every byte of a head buy time.
    TimePerByte,
    /// Judge who is late before looking at what has come in this turn.
    TimersFirst,
    /// Look at a connection's deadline only once.
    ForgetRearm,
    /// Do not notice that a peer has left.
    ForgetEnd,
    /// Throw away what was sent together with a request.
    ForgetPipelined,
    /// End a stream inside a part.
    CloseInsidePart,
    /// Close on unread input once the reply is sent.
    ForgetToLinger,
    /// Keep a connection for another request while the server goes down.
    KeepAliveAtShutdown,
}
