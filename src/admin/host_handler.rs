//! `serve`'s side of the conversation with a stub, from its first word to its end.

use std::{io, sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use hyper::upgrade::OnUpgrade;
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade::downcast};
use serde_json::Value;
use tokio::{net::UnixStream, time::timeout};
use tracing::{debug, warn};

use super::{
    hosts::{ConnectionOffer, Conversation, FromServe, FromStub, HostOffer, PROTOCOL},
    problem::{Code, Problem},
    server::Admin,
};
use crate::{
    channel::Channel,
    fleet::ProcessIdentity,
    net::{HandedOver, Server},
    proxy::{HostRequest, ServedHost},
    route::Requirements,
    runtimes::read_connection_file,
    zmtp::{Remote, SocketType},
};

/// How long a stub may take to hand over what it has.
const HAND_OVER: Duration = Duration::from_secs(30);

/// How long the disk of a host's directory may take.
const LOOK: Duration = Duration::from_secs(5);

/// Serves a host's connection file for as long as its stub is connected. The connection is upgraded from HTTP: descriptors are
/// passed on it.
#[utoipa::path(get, path = "/hosts", responses(
    (status = 101, description = "The conversation with a stub begins (`attach` speaks it)"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn hosts(State(admin): State<Arc<Admin>>, mut request: Request) -> Response {
    let asked = request.headers().get(header::UPGRADE).is_some_and(|asked| asked == PROTOCOL);
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let Some(upgrade) = upgrade.filter(|_| asked) else {
        let text = format!("this path speaks {PROTOCOL}: ask for it by an Upgrade header");
        return Problem::new(Code::BadRequest, text).into_response();
    };
    tokio::spawn(async move {
        let upgraded = upgrade.await.map_err(io::Error::other);
        let parts = upgraded.and_then(|upgraded| {
            downcast::<TokioIo<UnixStream>>(upgraded).map_err(|_| io::Error::other("no Unix socket"))
        });
        let ended = match parts {
            Ok(parts) => {
                let stream = parts.io.into_inner();
                converse(&admin, Conversation::new(stream, BytesMut::from(parts.read_buf))).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            warn!(%error, "a host's connection file is not served any more");
        }
    });
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static(PROTOCOL)),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

async fn converse(admin: &Admin, mut stub: Conversation) -> io::Result<()> {
    let offer = match timeout(HAND_OVER, stub.next()).await? {
        Ok(Some(FromStub::Host(offer))) => *offer,
        other => return other.and(Err(io::Error::other("the stub did not say whom it stands for"))),
    };
    let file = offer.connection_file.clone();
    let mut host = match open(admin, &stub, offer).await {
        Ok(host) => host,
        Err(reason) => {
            debug!(file = %file.display(), reason, "a host's connection file is refused");
            return stub.say(&FromServe::Refused(reason), &[]).await;
        }
    };
    stub.say(&FromServe::Welcome, &[]).await?;
    let (server, connections) = timeout(HAND_OVER, take_over(&mut stub, &file)).await??;
    host.listen(server, connections);
    loop {
        tokio::select! {
            said = stub.next() => match said? {
                Some(FromStub::Interrupt) => host.interrupt(),
                Some(_) => return Err(io::Error::other("the stub said something out of turn")),
                None => return Ok(()),
            },
            () = host.has_ended() => {
                // It ends by that, and with it this conversation.
                stub.say(&FromServe::Ended, &[]).await?;
                let _ = timeout(HAND_OVER, stub.next::<FromStub>()).await;
                return Ok(());
            }
        }
    }
}

async fn open(admin: &Admin, stub: &Conversation, offer: HostOffer) -> Result<ServedHost, String> {
    let HostOffer { connection_file, wishes, directory, arguments, environment, host, answered } = offer;
    let wishes =
        Requirements::parse(&Value::Object(wishes).to_string()).map_err(|error| error.to_string())?;
    let stub = stub.peer().ok().and_then(|peer| peer.pid()).and_then(|pid| ProcessIdentity::of(pid).ok());
    let is_there = match &directory {
        // It may be on another machine, so not on a thread that serves connections.
        Some(directory) => timeout(LOOK, tokio::fs::metadata(directory))
            .await
            .map_err(|_| {
                format!(
                    "the directory {} could not be looked at within {LOOK:?}: is its disk there?",
                    directory.display()
                )
            })?
            .is_ok_and(|found| found.is_dir()),
        None => false,
    };
    let directory = directory.filter(|_| is_there);
    let request = HostRequest {
        connection_file,
        wishes,
        directory,
        arguments,
        environment: Arc::new(environment),
        stub: stub.ok_or("the stub's process cannot be told")?,
        process: host.and_then(|pid| ProcessIdentity::of(pid).ok()),
        answered,
    };
    admin.proxy.open_host(request).await.map_err(|error| error.to_string())
}

type Connections = Vec<(Channel, HandedOver)>;

/// Takes the sockets of a connection file, and the connections that were accepted on them.
async fn take_over(stub: &mut Conversation, file: &std::path::Path) -> io::Result<(Server, Connections)> {
    let file = read_connection_file(file).map_err(io::Error::other)?;
    let (mut server, mut connections) = (None, Vec::new());
    loop {
        match stub.next().await? {
            Some(FromStub::Sockets) => {
                let sockets = stub.descriptors()?;
                server = Some(Server::from_sockets(&file, sockets).map_err(io::Error::other)?);
            }
            Some(FromStub::Connection(offer)) => {
                let [socket] = stub.descriptors()?;
                connections.extend(connection(offer, socket).map_err(io::Error::other));
            }
            Some(FromStub::Serve) => {
                let server = server.ok_or_else(|| io::Error::other("the stub gave no sockets"))?;
                return Ok((server, connections));
            }
            _ => return Err(io::Error::other("the stub ended before it had handed everything over")),
        }
    }
}

fn connection(
    offer: ConnectionOffer,
    socket: std::os::fd::OwnedFd,
) -> Result<(Channel, HandedOver), hex::FromHexError> {
    let ConnectionOffer { channel, socket: socket_type, identity, version, unread } = offer;
    let remote = Remote {
        socket: SocketType::parse(socket_type.as_bytes()).unwrap_or(SocketType::Dealer),
        identity: Bytes::from(hex::decode(identity)?),
        version,
    };
    Ok((channel, HandedOver { socket, remote, unread: Bytes::from(hex::decode(unread)?) }))
}
