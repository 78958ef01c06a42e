//! What went wrong, in the form of RFC 9457.

use std::fmt;

use axum::{
    Json,
    extract::rejection::JsonRejection,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    proxy::{EndpointError, OperateError},
    route::RequirementsError,
};

/// Why a request could not be carried out (RFC 9457, "Problem Details for HTTP APIs").
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The kind, for people.
    pub title: String,
    /// What went wrong this time, for people.
    pub detail: String,
    /// The kind, for programs.
    pub code: Code,
}

/// Kinds of problems.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The request cannot be understood.
    BadRequest,
    /// There is no such path.
    NoSuchPath,
    /// There is no such kernel.
    NoSuchKernel,
    /// Several kernels may be meant.
    AmbiguousKernel,
    /// There was such a kernel.
    KernelGone,
    /// The kernel does not answer now.
    KernelNotUp,
    /// No kernel can serve what was asked for.
    NoMatchingKernel,
    /// The kernel did not come up.
    LaunchFailed,
    /// It took too long.
    TooLate,
    /// The fleet is being stopped.
    FleetStops,
    /// No connection file could be made.
    NoDoor,
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(code: Code, detail: impl fmt::Display) -> Self {
        let (status, title) = code.meaning();
        Self { status: status.as_u16(), title: title.to_owned(), detail: detail.to_string(), code }
    }
}

impl Code {
    fn meaning(self) -> (StatusCode, &'static str) {
        match self {
            Self::BadRequest => (StatusCode::BAD_REQUEST, "The request cannot be understood"),
            Self::NoSuchPath => (StatusCode::NOT_FOUND, "There is no such path"),
            Self::NoSuchKernel => (StatusCode::NOT_FOUND, "There is no such kernel"),
            Self::AmbiguousKernel => (StatusCode::CONFLICT, "Several kernels may be meant"),
            Self::KernelGone => (StatusCode::GONE, "The kernel is gone"),
            Self::KernelNotUp => (StatusCode::CONFLICT, "The kernel is not up"),
            Self::NoMatchingKernel => (StatusCode::UNPROCESSABLE_ENTITY, "No kernel can serve"),
            Self::LaunchFailed => (StatusCode::BAD_GATEWAY, "The kernel did not come up"),
            Self::TooLate => (StatusCode::GATEWAY_TIMEOUT, "It took too long"),
            Self::FleetStops => (StatusCode::SERVICE_UNAVAILABLE, "The fleet is being stopped"),
            Self::NoDoor => (StatusCode::INTERNAL_SERVER_ERROR, "No connection file could be made"),
            Self::Unknown => (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(CONTENT_TYPE, "application/problem+json")], Json(self)).into_response()
    }
}

impl From<OperateError> for Problem {
    fn from(error: OperateError) -> Self {
        let code = match &error {
            OperateError::NoSuchKernel { .. } => Code::NoSuchKernel,
            OperateError::Ambiguous { .. } => Code::AmbiguousKernel,
            OperateError::Refused(_) => Code::NoMatchingKernel,
            OperateError::NeverUp(_) => Code::LaunchFailed,
            OperateError::Gone(_) => Code::KernelGone,
            OperateError::NotUp(_) => Code::KernelNotUp,
            OperateError::FleetStops => Code::FleetStops,
        };
        Self::new(code, error)
    }
}

impl From<EndpointError> for Problem {
    fn from(error: EndpointError) -> Self {
        Self::new(Code::NoDoor, error)
    }
}

impl From<RequirementsError> for Problem {
    fn from(error: RequirementsError) -> Self {
        Self::new(Code::BadRequest, error)
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(Code::BadRequest, rejection.body_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_read_as_it_was_written() {
        let problem = Problem::from(OperateError::NeverUp("it did not come up".to_owned()));
        assert_eq!((problem.status, problem.code), (502, Code::LaunchFailed));
        let text = serde_json::to_string(&problem).unwrap();
        assert!(text.contains(r#""code":"launch-failed""#), "{text}");
        assert_eq!(serde_json::from_str::<Problem>(&text).unwrap(), problem);
    }

    #[test]
    fn a_kind_of_a_newer_version_is_still_told() {
        let text = r#"{"status": 418, "title": "T", "detail": "no coffee", "code": "teapot"}"#;
        let problem: Problem = serde_json::from_str(text).unwrap();
        assert_eq!((problem.code, problem.to_string().as_str()), (Code::Unknown, "no coffee"));
    }
}
