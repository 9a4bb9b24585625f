//! The client session's states: one table of state × input → action, next state.
//!
//! Nothing here has an effect. [`step`] is total: whatever a server says in whatever order has an
//! entry, and the snapshot at the end of this file shows all of them at one glance.

/// Where a dialogue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// The handshake is under way.
    Handshake,
    /// `connect` is sent.
    Connecting,
    /// `createStream` is sent.
    Creating,
    /// `publish` or `play` is sent.
    Asking,
    /// Media flow.
    Running,
    /// While playing: the publisher has gone; the server may start again by itself.
    Silent,
    /// Refused, redirected, ended by the server or closed by us.
    Ended,
}

/// What can happen: the server's answers and news, its media, and our own closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Input {
    HandshakeOver,
    /// `_result` to the call that this state waits for.
    Accepted,
    /// `_error` to the call that this state waits for.
    Refused,
    /// `_result` or `_error` to any other call: `releaseStream`, `FCPublish`.
    OtherAnswer,
    /// `onStatus` that publishing or playing starts.
    Started,
    /// `onStatus` of level `error`.
    Failed,
    /// `onStatus`, or a user control event, that the publisher has gone.
    Gone,
    /// `onStatus`, or a user control event, that the publisher is back.
    Back,
    /// Any other `onStatus`.
    News,
    /// The server asks us to come back, perhaps elsewhere.
    Reconnect,
    /// The server calls something.
    Call,
    Media,
    /// We close.
    Close,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Ignore,
    /// Send `connect`.
    Connect,
    /// Send `createStream`, and what goes before it.
    Create,
    /// Send `publish` or `play` on the message stream that we were given.
    Start,
    /// Tell the shell that media may flow.
    ReportStart,
    /// Tell the shell that media may flow, and hand it the first.
    StartAndPass,
    /// Hand media to the shell.
    Pass,
    /// Tell the shell that the publisher has gone.
    ReportGone,
    /// Tell the shell where to go instead, or that this is the end.
    ReportEnd,
    /// Hand the status to the shell.
    ReportNews,
    /// Hand the reconnect request to the shell.
    ReportReconnect,
    /// Answer `_error`, if the call asks for an answer.
    RefuseCall,
    /// Send `FCUnpublish` and `deleteStream`.
    Close,
}

/// The table. `plays` is whether we play: then media come in, and their absence is news.
pub(crate) fn step(state: State, input: Input, plays: bool) -> (Action, State) {
    use Action as A;
    use Input as I;
    use State as S;
    match (state, input) {
        (S::Ended, _) => (A::Ignore, state),

        // Step by step up to media.
        (S::Handshake, I::HandshakeOver) => (A::Connect, S::Connecting),
        (S::Connecting, I::Accepted) => (A::Create, S::Creating),
        (S::Creating, I::Accepted) => (A::Start, S::Asking),
        (S::Asking, I::Started) => (A::ReportStart, S::Running),
        // Some servers send media and never say that they start.
        (S::Asking, I::Media) if plays => (A::StartAndPass, S::Running),

        // Ends.
        (_, I::Refused | I::Failed) => (A::ReportEnd, S::Ended),
        (S::Asking | S::Running | S::Silent, I::Close) => (A::Close, S::Ended),
        (_, I::Close) => (A::Ignore, S::Ended),

        // While media flow.
        (S::Running, I::Media) if plays => (A::Pass, state),
        (S::Running, I::Gone) if plays => (A::ReportGone, S::Silent),
        (S::Silent, I::Media) => (A::StartAndPass, S::Running),
        // Servers say it twice, by a status and by a user control event.
        (S::Silent, I::Gone) => (A::Ignore, state),
        (S::Silent, I::Started) => (A::ReportStart, S::Running),
        (_, I::Media) => (A::Ignore, state),

        // At any time.
        (S::Handshake, _) => (A::Ignore, state),
        (_, I::Reconnect) => (A::ReportReconnect, state),
        (_, I::Call) => (A::RefuseCall, state),
        (_, I::News | I::Started | I::Gone | I::Back) => (A::ReportNews, state),
        (_, I::HandshakeOver | I::Accepted | I::OtherAnswer) => (A::Ignore, state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    const STATES: [State; 7] = [
        State::Handshake,
        State::Connecting,
        State::Creating,
        State::Asking,
        State::Running,
        State::Silent,
        State::Ended,
    ];
    const INPUTS: [Input; 13] = [
        Input::HandshakeOver,
        Input::Accepted,
        Input::Refused,
        Input::OtherAnswer,
        Input::Started,
        Input::Failed,
        Input::Gone,
        Input::Back,
        Input::News,
        Input::Reconnect,
        Input::Call,
        Input::Media,
        Input::Close,
    ];

    #[test]
    fn the_whole_table_is_as_reviewed() {
        let mut table = String::new();
        for state in STATES {
            writeln!(table, "{state:?}").expect("a string takes all");
            for input in INPUTS {
                let entry = |plays| {
                    let (action, next) = step(state, input, plays);
                    let arrow = if next == state {
                        String::new()
                    } else {
                        format!(" -> {next:?}")
                    };
                    format!("{action:?}{arrow}")
                };
                let (plays, publishes) = (entry(true), entry(false));
                let entry = if plays == publishes {
                    plays
                } else {
                    format!("{plays}; publishing: {publishes}")
                };
                writeln!(table, "  {:<13} {entry}", format!("{input:?}"))
                    .expect("a string takes all");
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn an_ended_dialogue_stays_ended_and_says_nothing() {
        for input in INPUTS {
            for plays in [true, false] {
                let entry = step(State::Ended, input, plays);
                assert_eq!(entry, (Action::Ignore, State::Ended), "{input:?}");
            }
        }
    }
}
