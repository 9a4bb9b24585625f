//! A connection to one member of etcd at a time; the next one when that fails.
//!
//! One member, and not a choice of members for each request: so it is known who did not answer, and
//! a member that is cut off from the others but takes connections is left as a dead one is.

use crate::store::StoreError;
use etcd_client::{Client, ConnectOptions, Error};
use parking_lot::Mutex;
use std::{error::Error as _, time::Duration};
use tonic::Code;

pub(super) struct Link {
    endpoints: Vec<String>,
    options: ConnectOptions,
    /// How long a request may take.
    pub(super) timeout: Duration,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    client: Option<Client>,
    /// Counts the members that were left; so says which is the current one.
    turn: usize,
}

/// A client of one member.
pub(super) struct Member {
    pub(super) client: Client,
    turn: usize,
}

impl Link {
    pub(super) fn new(endpoints: Vec<String>, options: ConnectOptions, timeout: Duration) -> Self {
        Self {
            endpoints,
            options,
            timeout,
            current: Mutex::default(),
        }
    }

    /// The member that is asked now.
    ///
    /// # Errors
    /// If it does not let us in. Then the next one has its turn.
    pub(super) async fn member(&self) -> Result<Member, StoreError> {
        let turn = {
            let current = self.current.lock();
            if let Some(client) = &current.client {
                let client = client.clone();
                return Ok(Member {
                    client,
                    turn: current.turn,
                });
            }
            current.turn
        };
        let endpoint = self.endpoint(turn).to_owned();
        let connecting = Client::connect([endpoint], Some(self.options.clone()));
        let client = self.answered(turn, "let us in", connecting).await?;
        let mut current = self.current.lock();
        if current.turn == turn {
            current.client = Some(client.clone());
        }
        Ok(Member { client, turn })
    }

    /// Asks one member one thing.
    ///
    /// # Errors
    /// If it does not do it, or does not answer in time. Then the next one has its turn, unless this
    /// was an answer that any other would give too.
    pub(super) async fn ask<T, F: Future<Output = Result<T, Error>>>(
        &self,
        doing: &'static str,
        question: impl FnOnce(Client) -> F,
    ) -> Result<T, StoreError> {
        let Member { client, turn } = self.member().await?;
        self.answered(turn, doing, question(client)).await
    }

    /// Asks one member after the other until one does it: for what may be done twice.
    ///
    /// # Errors
    /// As the last one.
    pub(super) async fn ask_all<T, F: Future<Output = Result<T, Error>>>(
        &self,
        doing: &'static str,
        mut question: impl FnMut(Client) -> F,
    ) -> Result<T, StoreError> {
        let mut left = self.endpoints.len();
        loop {
            left = left.saturating_sub(1);
            match self.ask(doing, &mut question).await {
                Err(StoreError::Etcd { again: true, .. }) if left > 0 => {}
                answered => return answered,
            }
        }
    }

    async fn answered<T>(
        &self,
        turn: usize,
        doing: &'static str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        let reason = match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if is_final(&error) => {
                return Err(self.failed(turn, doing, in_words(&error), false));
            }
            Ok(Err(error)) => in_words(&error),
            Err(_) => format!("no answer within {:?}", self.timeout),
        };
        self.leave(turn);
        Err(self.failed(turn, doing, reason, true))
    }

    /// The member that a watch was on has failed it.
    pub(super) fn left(&self, member: &Member, doing: &'static str, reason: String) -> StoreError {
        self.leave(member.turn);
        self.failed(member.turn, doing, reason, true)
    }

    fn leave(&self, turn: usize) {
        let mut current = self.current.lock();
        if current.turn == turn {
            current.turn = turn.wrapping_add(1);
            current.client = None;
        }
    }

    fn failed(&self, turn: usize, doing: &'static str, reason: String, again: bool) -> StoreError {
        StoreError::Etcd {
            endpoint: self.endpoint(turn).to_owned(),
            doing,
            reason,
            again,
        }
    }

    fn endpoint(&self, turn: usize) -> &str {
        let place = turn.checked_rem(self.endpoints.len()).unwrap_or(0);
        self.endpoints.get(place).map_or("(none)", String::as_str)
    }
}

/// Whether another member would say the same.
fn is_final(error: &Error) -> bool {
    match error {
        Error::GRpcStatus(status) => match status.code() {
            // etcd says it of a lease, a revision or a right; the token is another member's matter.
            Code::NotFound
            | Code::OutOfRange
            | Code::InvalidArgument
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::ResourceExhausted => true,
            _ => false,
        },
        Error::LeaseKeepAliveError(_) | Error::InvalidArgs(_) => true,
        _ => false,
    }
}

/// The error and its causes, without gRPC's wrapping.
pub(super) fn in_words(error: &Error) -> String {
    let (mut words, mut source) = match error {
        Error::GRpcStatus(status) => (status.message().to_owned(), status.source()),
        Error::TransportError(error) => (error.to_string(), error.source()),
        other => (other.to_string(), other.source()),
    };
    while let Some(cause) = source {
        let cause_in_words = cause.to_string();
        if !words.contains(&cause_in_words) {
            if !words.is_empty() {
                words.push_str(": ");
            }
            words.push_str(&cause_in_words);
        }
        source = cause.source();
    }
    words
}
