//! The server session's states: one table of state × input → action, next state.
//!
//! Nothing here has an effect. [`step`] is total: whatever comes in whatever order has an entry, and
//! the snapshot at the end of this file shows all of them at one glance.

use crate::status::code;

/// Where a dialogue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// `connect` has not come yet.
    Opening,
    /// The shell decides whether the client may connect.
    ConnectAsked,
    /// Connected; no message stream.
    Connected,
    /// There is a message stream, and nothing on it.
    Idle,
    /// The shell decides whether the client may publish.
    PublishAsked,
    /// Media come in.
    Publishing,
    /// The shell decides whether the client may play.
    PlayAsked,
    /// Media go out.
    Playing,
    /// Refused; nothing is heard any more.
    Closed,
}

impl State {
    /// Whether the dialogue rests until the shell has decided.
    pub(crate) fn is_asked(self) -> bool {
        matches!(
            self,
            Self::ConnectAsked | Self::PublishAsked | Self::PlayAsked
        )
    }
}

/// What can happen: the peer's commands and media, then the shell's decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Input {
    Connect,
    ReleaseStream,
    FcPublish,
    FcSubscribe,
    CreateStream,
    StreamLength,
    CheckBandwidth,
    Publish,
    Play,
    Play2,
    Pause,
    Seek,
    FcUnpublish,
    CloseStream,
    DeleteStream,
    Other,
    Media,
    Accept,
    Reject,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Nothing; media count as ignored.
    Ignore,
    /// Keep it until the shell has decided.
    Hold,
    /// Ask the shell.
    Ask,
    /// Answer `_result` with nothing in it.
    Acknowledge,
    /// Answer `_result` with a length of 0: a live stream has none.
    AnswerLength,
    /// Answer `onFCSubscribe`.
    AnswerSubscribe,
    /// Answer `_result` with the message stream's id.
    AnswerStream,
    /// Answer `_error`, if the call asks for an answer.
    RefuseCall,
    /// Send an error `onStatus` with this code on the message stream.
    RefuseStatus(&'static str),
    /// Answer `connect` and all that goes with it.
    Connect,
    /// Answer `connect` with `_error`.
    RefuseConnect,
    /// Tell the publisher to start.
    StartPublish,
    /// Tell the player that media follow.
    StartPlay,
    /// Send the shell's status on the message stream.
    RefuseStream,
    /// Hand media to the shell.
    Pass,
    /// Confirm pausing or going on, and tell the shell.
    Pause,
    /// Confirm the end of a publish, and tell the shell.
    Unpublish,
    /// Tell the shell that the publish has ended.
    EndPublish,
    /// Tell the shell that playing has ended.
    EndPlay,
}

/// The table.
pub(crate) fn step(state: State, input: Input) -> (Action, State) {
    use Action as A;
    use Input as I;
    use State as S;
    match (state, input) {
        // Refused for good.
        (S::Closed, _) => (A::Ignore, state),

        // The shell's decisions; one that nobody waits for says nothing.
        (S::ConnectAsked, I::Accept) => (A::Connect, S::Connected),
        (S::ConnectAsked, I::Reject) => (A::RefuseConnect, S::Closed),
        (S::PublishAsked, I::Accept) => (A::StartPublish, S::Publishing),
        (S::PlayAsked, I::Accept) => (A::StartPlay, S::Playing),
        (S::PublishAsked | S::PlayAsked, I::Reject) => (A::RefuseStream, S::Idle),
        (_, I::Accept | I::Reject) => (A::Ignore, state),
        (S::ConnectAsked | S::PublishAsked | S::PlayAsked, _) => (A::Hold, state),

        // The connection.
        (S::Opening, I::Connect) => (A::Ask, S::ConnectAsked),
        (S::Opening, I::Media) => (A::Ignore, state),
        (S::Opening, _) => (A::RefuseCall, state),
        (_, I::Connect) => (A::RefuseCall, state),
        (_, I::ReleaseStream | I::FcPublish | I::CheckBandwidth) => (A::Acknowledge, state),
        (_, I::FcSubscribe) => (A::AnswerSubscribe, state),
        (_, I::StreamLength) => (A::AnswerLength, state),
        (_, I::Other) => (A::RefuseCall, state),

        // The one message stream: made, used, given back.
        (S::Connected, I::CreateStream) => (A::AnswerStream, S::Idle),
        // A client that asks twice before using it gets the same again.
        (S::Idle, I::CreateStream) => (A::AnswerStream, state),
        (_, I::CreateStream) => (A::RefuseCall, state),
        (S::Idle, I::Publish) => (A::Ask, S::PublishAsked),
        (S::Idle, I::Play) => (A::Ask, S::PlayAsked),
        (S::Publishing, I::FcUnpublish | I::CloseStream) => (A::Unpublish, S::Idle),
        (S::Publishing, I::DeleteStream) => (A::EndPublish, S::Connected),
        (S::Playing, I::CloseStream) => (A::EndPlay, S::Idle),
        (S::Playing, I::DeleteStream) => (A::EndPlay, S::Connected),
        (S::Connected | S::Idle, I::DeleteStream) => (A::Ignore, S::Connected),
        (S::Connected | S::Idle, I::CloseStream) => (A::Ignore, state),
        (_, I::FcUnpublish) => (A::Acknowledge, state),

        // On a stream in use.
        (S::Publishing, I::Media) => (A::Pass, state),
        (_, I::Media) => (A::Ignore, state),
        (S::Playing, I::Pause) => (A::Pause, state),
        (S::Playing, I::Seek) => (A::RefuseStatus(code::SEEK_FAILED), state),

        // Everything that makes no sense now.
        (S::Publishing, I::Publish) => (A::RefuseStatus(code::PUBLISH_BAD_NAME), state),
        (_, I::Publish) => (A::RefuseStatus(code::FAILED), state),
        (_, I::Play | I::Play2) => (A::RefuseStatus(code::PLAY_FAILED), state),
        (_, I::Pause | I::Seek) => (A::RefuseStatus(code::FAILED), state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    const STATES: [State; 9] = [
        State::Opening,
        State::ConnectAsked,
        State::Connected,
        State::Idle,
        State::PublishAsked,
        State::Publishing,
        State::PlayAsked,
        State::Playing,
        State::Closed,
    ];
    const INPUTS: [Input; 19] = [
        Input::Connect,
        Input::ReleaseStream,
        Input::FcPublish,
        Input::FcSubscribe,
        Input::CreateStream,
        Input::StreamLength,
        Input::CheckBandwidth,
        Input::Publish,
        Input::Play,
        Input::Play2,
        Input::Pause,
        Input::Seek,
        Input::FcUnpublish,
        Input::CloseStream,
        Input::DeleteStream,
        Input::Other,
        Input::Media,
        Input::Accept,
        Input::Reject,
    ];

    #[test]
    fn the_whole_table_is_as_reviewed() {
        let mut table = String::new();
        for state in STATES {
            writeln!(table, "{state:?}").expect("a string takes all");
            for input in INPUTS {
                let (action, next) = step(state, input);
                let arrow = if next == state {
                    String::new()
                } else {
                    format!(" -> {next:?}")
                };
                writeln!(table, "  {:<15} {action:?}{arrow}", format!("{input:?}"))
                    .expect("a string takes all");
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn only_the_shell_ends_a_question() {
        for state in STATES.into_iter().filter(|state| state.is_asked()) {
            for input in INPUTS {
                let decides = matches!(input, Input::Accept | Input::Reject);
                assert_eq!(
                    step(state, input).1 != state,
                    decides,
                    "{state:?} {input:?}"
                );
            }
        }
    }

    #[test]
    fn media_pass_while_publishing_and_never_else() {
        for state in STATES {
            let passes = step(state, Input::Media).0 == Action::Pass;
            assert_eq!(passes, state == State::Publishing, "{state:?}");
        }
    }
}
