//! The one body of every answer that is not a success.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What every answer with a status of 400 or more carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: Fault,
}

/// What is wrong, for programs and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// For programs; stable.
    pub code: ErrorCode,
    /// For people; may change.
    pub message: String,
}

/// What went wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 400: the query or path is malformed; the message says where.
    BadRequest,
    /// 401: the bearer token is missing or wrong.
    Unauthorized,
    /// 404: there is no such route.
    RouteNotFound,
    /// 404: no node has that name.
    NodeNotFound,
    /// 404: nobody publishes, pulls or ever owned that stream.
    StreamNotFound,
    /// 409: nothing is configured that could restart a node.
    NoDriver,
    /// 409: the node is being restarted already.
    RestartInFlight,
    /// 409: another controller decides; the message names it.
    NotLeading,
    /// 503: too much of that is asked for at once.
    Busy,
    /// 405: the route exists, but not for that method.
    MethodNotAllowed,
    /// 500: our fault; the log has more.
    Internal,
    /// Another code of a newer controller.
    #[serde(other)]
    Other,
}

impl ErrorCode {
    /// The HTTP status that goes with it.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::RouteNotFound | Self::NodeNotFound | Self::StreamNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NoDriver | Self::RestartInFlight | Self::NotLeading => 409,
            Self::Internal | Self::Other => 500,
            Self::Busy => 503,
        }
    }
}

impl ErrorBody {
    /// An error's body.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            error: Fault {
                code,
                message: message.into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_client_reads_a_newer_controller_s_code() {
        let body = r#"{"error":{"code":"brand_new","message":"m","more":1}}"#;
        let read: ErrorBody = serde_json::from_str(body).expect("an error body");
        assert_eq!(read, ErrorBody::new(ErrorCode::Other, "m"));
    }
}
