//! What we say over HTTP when we cannot serve: the project's one error body.

use media::StreamPath;

/// The body of a 404 for a stream that nobody publishes.
pub(crate) fn stream_not_found(path: &StreamPath) -> String {
    body("stream_not_found", &format!("nobody publishes {path}"))
}

/// `{"error": {"code": …, "message": …}}`; `message` is made safe to stand in JSON.
pub(crate) fn body(code: &str, message: &str) -> String {
    serde_json::json!({ "error": { "code": code, "message": message } }).to_string()
}
