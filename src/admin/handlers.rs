//! What each path of the API does.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::StatusCode,
};
use serde_json::Value;
use tokio::{runtime::Handle, time::timeout};

use super::{
    problem::{Code, Problem},
    schema::{Asked, Client, Explanation, Kernel, KernelEndpoint, Restart, Status, Stopped},
    server::Admin,
};
use crate::{channel::Channel, id::KernelId, proxy::OperateError, route::Requirements};

type Answer<T> = Result<Json<T>, Problem>;
type Fleet = State<Arc<Admin>>;
type Body<T> = Result<Json<T>, JsonRejection>;

/// Longest name of an operator that clients are shown, in characters.
const LONGEST_NAME: usize = 64;

/// The fleet itself.
#[utoipa::path(get, path = "/status", responses((status = 200, body = Status)))]
pub(super) async fn status(State(admin): Fleet) -> Json<Status> {
    let published = admin.proxy.published();
    let address = |channel: Channel| (channel.to_string(), published.address(channel).to_string());
    let limits = match serde_json::to_value(admin.proxy.limits()) {
        Ok(Value::Object(limits)) => limits,
        _ => serde_json::Map::new(),
    };
    Json(Status {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: admin.started_at,
        connection_file: admin.connection_file.clone(),
        addresses: Channel::ALL.map(address).into(),
        kernels: admin.proxy.kernels().len(),
        clients: admin.proxy.live_clients(),
        tasks: Handle::current().metrics().num_alive_tasks(),
        counters: admin.proxy.metrics().counts().into_iter().map(|(name, n)| (name.to_owned(), n)).collect(),
        held_by: admin.held_by.clone(),
        limits,
    })
}

/// All kernels, the oldest first.
#[utoipa::path(get, path = "/kernels", responses((status = 200, body = [Kernel])))]
pub(super) async fn list(State(admin): Fleet) -> Json<Vec<Kernel>> {
    Json(admin.proxy.kernels().into_iter().map(Kernel::from).collect())
}

/// Launches a kernel for clients to come. Answers at once: `ready` tells when it is up.
#[utoipa::path(post, path = "/kernels", request_body = Asked, responses(
    (status = 201, body = Kernel),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn spawn(
    State(admin): Fleet,
    asked: Body<Asked>,
) -> Result<(StatusCode, Json<Kernel>), Problem> {
    let requirements = requirements(asked)?;
    if requirements.isolated || requirements.kernel.is_some() {
        let text =
            "a kernel that is launched for clients to come cannot be `isolated` nor an existing `kernel`";
        return Err(Problem::new(Code::BadRequest, text));
    }
    let id = admin.proxy.spawn(&requirements)?;
    Ok((StatusCode::CREATED, Json(kernel(&admin, &id)?)))
}

/// One kernel. Wherever an id is asked for, its first letters do if no other begins so.
#[utoipa::path(get, path = "/kernels/{id}", params(("id" = String, Path)), responses(
    (status = 200, body = Kernel),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(State(admin): Fleet, Path(id): Path<String>) -> Answer<Kernel> {
    let id = admin.proxy.find(&id)?;
    Ok(Json(kernel(&admin, &id)?))
}

/// Waits until a kernel takes requests.
#[utoipa::path(get, path = "/kernels/{id}/ready", params(("id" = String, Path)), responses(
    (status = 200, body = Kernel),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn ready(State(admin): Fleet, Path(id): Path<String>) -> Answer<Kernel> {
    let id = admin.proxy.find(&id)?;
    in_time(&admin, &format!("kernel {id} is not up yet"), admin.proxy.ready(&id)).await??;
    Ok(Json(kernel(&admin, &id)?))
}

/// Stops a kernel and waits until it is gone. Its clients' next requests get other kernels.
#[utoipa::path(delete, path = "/kernels/{id}", params(("id" = String, Path)), responses(
    (status = 200, body = Stopped),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn stop(State(admin): Fleet, Path(id): Path<String>) -> Answer<Stopped> {
    let id = admin.proxy.find(&id)?;
    let clients = admin.proxy.stop(&id);
    in_time(&admin, &format!("kernel {id} has not ended yet"), admin.proxy.gone(&id)).await?;
    Ok(Json(Stopped { id: id.to_string(), clients }))
}

/// Restarts a kernel in place; its clients stay and are told. Answers at once: `ready` tells when it is up again.
#[utoipa::path(post, path = "/kernels/{id}/restart", params(("id" = String, Path)), request_body = Restart, responses(
    (status = 200, body = Kernel),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn restart(
    State(admin): Fleet,
    Path(id): Path<String>,
    restart: Body<Restart>,
) -> Answer<Kernel> {
    let Json(Restart { by }) = restart?;
    let plain =
        |name: String| name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect::<String>();
    let by = by.map(plain).filter(|name| !name.is_empty());
    let id = admin.proxy.find(&id)?;
    admin.proxy.restart(&id, by.as_deref())?;
    Ok(Json(kernel(&admin, &id)?))
}

/// Interrupts what a kernel runs.
#[utoipa::path(post, path = "/kernels/{id}/interrupt", params(("id" = String, Path)), responses(
    (status = 200, body = Kernel),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn interrupt(State(admin): Fleet, Path(id): Path<String>) -> Answer<Kernel> {
    let id = admin.proxy.find(&id)?;
    admin.proxy.interrupt(&id)?;
    Ok(Json(kernel(&admin, &id)?))
}

/// Writes a connection file whose clients all land on one kernel, and says where it is.
#[utoipa::path(post, path = "/kernels/{id}/endpoint", params(("id" = String, Path)), responses(
    (status = 200, body = KernelEndpoint),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn open_endpoint(State(admin): Fleet, Path(id): Path<String>) -> Answer<KernelEndpoint> {
    let id = admin.proxy.find(&id)?;
    let gone = || OperateError::Gone(format!("kernel {id} is gone"));
    let occupancy = admin.proxy.kernel_report(&id).ok_or_else(gone)?.occupancy;
    let clients = occupancy.clients;
    let full = occupancy.offer.max_clients.is_some_and(|most| clients >= most.get());
    let opened = admin.proxy.open_kernel_endpoint(&id);
    let file = in_time(&admin, "the ports could not be opened in time", opened).await??;
    let connection_file = admin.proxy.write_kernel_endpoint(&admin.registry, &id, &file)?;
    Ok(Json(KernelEndpoint { kernel: id.to_string(), connection_file, clients, full }))
}

/// All clients that have kernels.
#[utoipa::path(get, path = "/clients", responses((status = 200, body = [Client])))]
pub(super) async fn clients(State(admin): Fleet) -> Json<Vec<Client>> {
    Json(admin.proxy.clients().into_iter().map(Client::from).collect())
}

/// Which kernel a client with these wishes would get now, and why.
#[utoipa::path(post, path = "/why", request_body = Asked, responses(
    (status = 200, body = Explanation),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn why(State(admin): Fleet, asked: Body<Asked>) -> Answer<Explanation> {
    let requirements = requirements(asked)?;
    Ok(Json(admin.proxy.why(&requirements).into()))
}

fn requirements(asked: Body<Asked>) -> Result<Requirements, Problem> {
    let Json(Asked { fleet }) = asked?;
    Ok(Requirements::parse(&Value::Object(fleet).to_string())?)
}

fn kernel(admin: &Admin, id: &KernelId) -> Result<Kernel, Problem> {
    let gone = || OperateError::Gone(format!("kernel {id} is gone"));
    Ok(admin.proxy.kernel_report(id).ok_or_else(gone)?.into())
}

/// Waits no longer than a launch and an end may take together, whatever happens to the kernel.
async fn in_time<T>(admin: &Admin, what: &str, work: impl Future<Output = T>) -> Result<T, Problem> {
    let limits = admin.proxy.limits();
    let longest: Duration = limits.launch() * 3 + limits.stop() * 3;
    timeout(longest, work)
        .await
        .map_err(|_| Problem::new(Code::TooLate, format!("{what}, after {longest:?}")))
}
