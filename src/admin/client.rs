//! The other end of the API, for commands.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;
use tokio::{net::UnixStream, time::timeout};

use super::{
    PREFIX, Problem, SOCKET_NAME,
    hosts::{self, Conversation},
};

/// Longest answer that is read, in bytes: thousands of kernels are a few megabytes.
const LONGEST_ANSWER: usize = 64 << 20;

/// Talks to the `serve` that keeps its files in one directory.
#[derive(Clone, Debug)]
pub struct AdminClient {
    socket: PathBuf,
}

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, Error)]
pub enum CallError {
    /// Nobody listens.
    #[error("no fleet is running: {} does not answer. Start one with: jupyter-fleet serve", .0.display())]
    NoFleet(PathBuf),
    /// The socket cannot be used.
    #[error("cannot talk to the fleet at {}: {error}", socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// No socket can have that path.
    #[error(
        "no fleet can be reached at {}: the path is too long for a socket. Give serve and this command a shorter \
         JUPYTER_RUNTIME_DIR", .0.display()
    )]
    TooLong(PathBuf),
    /// The fleet went away, or does not speak as it should.
    #[error("the fleet ended before it answered, or its answer cannot be read: {0}")]
    Broken(String),
    /// The deadline has passed.
    #[error("the fleet did not answer within {0:?}")]
    TooLate(Duration),
    /// The fleet says no.
    #[error("{0}")]
    Refused(Problem),
}

impl CallError {
    /// Whether there is no fleet to talk to, or none that answers.
    pub fn is_no_fleet(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

impl AdminClient {
    /// A client of the fleet that keeps its files here. Nothing is connected yet.
    pub fn new(state: &Path) -> Self {
        Self { socket: state.join(SOCKET_NAME) }
    }

    /// Asks for what is at this path, below the API's prefix.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str, within: Duration) -> Result<T, CallError> {
        self.call(Method::GET, path, None, within).await
    }

    /// Sends something there.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        within: Duration,
    ) -> Result<T, CallError> {
        let body = serde_json::to_vec(body).map_err(|error| CallError::Broken(error.to_string()))?;
        self.call(Method::POST, path, Some(body), within).await
    }

    /// Removes what is there.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str, within: Duration) -> Result<T, CallError> {
        self.call(Method::DELETE, path, None, within).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        within: Duration,
    ) -> Result<T, CallError> {
        let (status, answer) = timeout(within, self.exchange(method, path, body))
            .await
            .map_err(|_| CallError::TooLate(within))??;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|error| CallError::Broken(error.to_string()));
        }
        Err(match serde_json::from_slice(&answer) {
            Ok(problem) => CallError::Refused(problem),
            Err(_) => CallError::Broken(format!("HTTP status {status}")),
        })
    }

    /// Begins the conversation of a stub.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn converse(&self) -> Result<Conversation, CallError> {
        let broken = |error: &dyn std::fmt::Display| CallError::Broken(error.to_string());
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.unreachable(error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
        tokio::spawn(connection.with_upgrades());
        let request = Request::builder()
            .uri(format!("{PREFIX}{}", hosts::PATH))
            .header(header::HOST, "jupyter-fleet")
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, hosts::PROTOCOL)
            .body(Full::new(Bytes::new()))
            .map_err(|error| broken(&error))?;
        let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(broken(&format_args!(
                "it is of another version (HTTP status {})",
                response.status()
            )));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| broken(&error))?;
        let parts = upgraded.downcast::<TokioIo<UnixStream>>().map_err(|_| broken(&"no Unix socket"))?;
        Ok(Conversation::new(parts.io.into_inner(), BytesMut::from(parts.read_buf)))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let broken = |error: &dyn std::fmt::Display| CallError::Broken(error.to_string());
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.unreachable(error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
        // It ends with the answer; what goes wrong there is told here.
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(format!("{PREFIX}{path}"))
            .header(header::HOST, "jupyter-fleet")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| broken(&error))?;
        let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        driver.abort();
        Ok((status, answer.map_err(|error| broken(&error))?.to_bytes()))
    }

    fn unreachable(&self, error: io::Error) -> CallError {
        let socket = self.socket.clone();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => CallError::NoFleet(socket),
            io::ErrorKind::InvalidInput => CallError::TooLong(socket),
            _ => CallError::Unreachable { socket, error },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tempfile::TempDir;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
    };

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const LATE: Duration = Duration::from_secs(20);

    /// What becomes of a call to a server that answers with these bytes and hangs up, or with nothing and stays.
    async fn call(answer: Option<&'static str>, within: Duration) -> Result<Value, CallError> {
        let state = TempDir::new().unwrap();
        let listener = UnixListener::bind(state.path().join(SOCKET_NAME)).unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                None => std::future::pending().await,
            }
        });
        let called = AdminClient::new(state.path()).get("/status", within).await;
        server.abort();
        called
    }

    #[tokio::test]
    async fn without_a_socket_or_behind_a_stale_one_there_is_no_fleet() {
        let state = TempDir::new().unwrap();
        let client = AdminClient::new(state.path());
        let call = || client.get::<Value>("/status", LATE);
        assert!(matches!(call().await, Err(CallError::NoFleet(_))));
        drop(UnixListener::bind(state.path().join(SOCKET_NAME)).unwrap());
        assert!(matches!(call().await, Err(CallError::NoFleet(_))));
    }

    #[tokio::test]
    async fn a_server_that_is_silent_is_given_up() {
        let error = call(None, SOON).await.unwrap_err();
        assert!(matches!(error, CallError::TooLate(SOON)) && error.is_no_fleet());
    }

    #[tokio::test]
    async fn a_path_that_no_socket_can_have_says_what_to_do() {
        let client = AdminClient::new(&Path::new("/tmp").join("long".repeat(40)));
        let error = client.get::<Value>("/status", LATE).await.unwrap_err();
        assert!(error.to_string().contains("shorter JUPYTER_RUNTIME_DIR") && error.is_no_fleet(), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        for answer in
            ["", "no HTTP at all", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", "HTTP/1.1 500 No\r\n\r\n"]
        {
            let error = call(Some(answer), LATE).await.unwrap_err();
            assert!(matches!(&error, CallError::Broken(_)) && error.is_no_fleet(), "{answer:?}: {error}");
        }
    }

    #[tokio::test]
    async fn a_problem_is_told_in_the_fleets_words() {
        let answer = "HTTP/1.1 404 No\r\n\r\n{\"status\": 404, \"title\": \"T\", \"detail\": \"no such kernel\", \
                      \"code\": \"no-such-kernel\"}";
        let error = call(Some(answer), LATE).await.unwrap_err();
        assert!(!error.is_no_fleet());
        assert_eq!(error.to_string(), "no such kernel");
    }
}
