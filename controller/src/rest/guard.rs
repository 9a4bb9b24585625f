//! Who may ask: with a token configured, only who shows it may read or change anything below `/v1`.

use super::Refused;
use crate::config::Token;
use api::ErrorCode;
use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// Has `router` ask for `token`, if there is one.
pub(super) fn guarded(router: Router, token: Option<Token>) -> Router {
    let Some(token) = token.map(Arc::new) else {
        return router;
    };
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let token = Arc::clone(&token);
        async move {
            let guards = request.uri().path().starts_with("/v1");
            match guards && !shows(request.headers(), &token) {
                true => refusal(),
                false => next.run(request).await,
            }
        }
    }))
}

fn shows(headers: &HeaderMap, token: &Token) -> bool {
    let shown = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    shown.is_some_and(|(_, shown)| token.is(shown.trim()))
}

fn refusal() -> Response {
    let why = "the bearer token is missing or wrong: send `Authorization: Bearer …`";
    let mut response = Refused::new(ErrorCode::Unauthorized, why).into_response();
    let bearer = HeaderValue::from_static("Bearer");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, bearer);
    response
}
