//! How people know a client: by a name, and by the notebook or the program that it is.

use std::{fmt, path::Path};

use procfs::process::Process;

use super::{connection::ReturnAddress, endpoint::Endpoint};
use crate::{
    id::{ClientId, Origin},
    jupyter::header::username,
    listing::cell,
    proxy::{Proxy, backend::kernel::Kernel},
    route::CellName,
};

/// What names a notebook in the environment that Jupyter's server gives to its kernels: the path of its file.
const NOTEBOOK: &str = "JPY_SESSION_NAME";

/// Programs that say nothing of what they run.
const INTERPRETERS: [&str; 3] = ["python", "node", "deno"];

/// Who sits at a client.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Who {
    /// As the client's messages say; else the user of its process.
    pub name: Option<String>,
    /// The notebook, else the program.
    pub place: Option<String>,
    /// The place is a notebook.
    is_notebook: bool,
}

impl Who {
    /// A cell of theirs.
    pub fn cell(&self) -> String {
        let name = self.name.as_deref().unwrap_or("another client");
        self.place
            .as_ref()
            .map_or_else(|| format!("{name}'s cell"), |place| format!("{name}'s cell in {place}"))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_deref().unwrap_or("another client"))?;
        // Of a program, there is nothing to see there.
        match &self.place {
            Some(notebook) if self.is_notebook => write!(f, " in {notebook}"),
            _ => Ok(()),
        }
    }
}

impl Proxy {
    /// Who sent a request.
    pub(crate) fn who_asked(&self, address: &ReturnAddress) -> Who {
        let connection = &address.connection;
        self.who_is(Some(&address.header), &[connection.origin], &connection.endpoint)
    }

    /// Who sits at a client. Not to be called with the table locked.
    pub(crate) fn who(&self, client: &ClientId) -> Who {
        let origins = self.table.lock().origins_of(client);
        let said = self.gates.get(client).and_then(|gate| gate.last_request());
        match self.endpoint(client.endpoint) {
            Some(endpoint) => self.who_is(said.as_deref(), &origins, &endpoint),
            None => Who::default(),
        }
    }

    /// In words, a cell of somebody's that runs.
    pub(crate) fn cell_in_words(&self, kernel: &Kernel, owner: &ClientId, cell: &CellName) -> String {
        let address = self.table.lock().address_of(&kernel.id, cell.msg_id.as_str(), cell.session.as_str());
        address.map_or_else(|| self.who(owner), |address| self.who_asked(&address)).cell()
    }

    fn who_is(&self, header: Option<&[u8]>, origins: &[Origin], endpoint: &Endpoint) -> Who {
        let user = || {
            let name = origins.iter().find_map(|origin| self.user_names.get(origin.uid()?));
            name.map(|name| name.to_string())
        };
        let program = || {
            origins.iter().find_map(|origin| match origin {
                Origin::Process { pid, .. } => program(*pid),
                _ => None,
            })
        };
        let name = header.and_then(username).or_else(user);
        let notebook = notebook(endpoint);
        let is_notebook = notebook.is_some();
        let place = notebook.or_else(program);
        Who { name: name.as_deref().map(cell), place: place.as_deref().map(cell), is_notebook }
    }
}

/// The file of the notebook that an endpoint was opened for.
fn notebook(endpoint: &Endpoint) -> Option<String> {
    let environment = endpoint.host.as_ref()?.launched_for.environment()?;
    let (_, path) = environment.iter().find(|(name, _)| name == NOTEBOOK)?;
    file_name(&path.to_string_lossy())
}

/// The program of a process that lives; of an interpreter, what it runs.
fn program(pid: i32) -> Option<String> {
    of_command(&Process::new(pid).ok()?.cmdline().ok()?)
}

fn of_command(command: &[String]) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let program = file_name(program)?;
    if !INTERPRETERS.iter().any(|interpreter| program.starts_with(interpreter)) {
        return Some(program);
    }
    let at = arguments.iter().position(|argument| argument == "-m" || !argument.starts_with('-'))?;
    if arguments.iter().take(at).any(|argument| argument == "-c") {
        return None;
    }
    match arguments.get(at)?.as_str() {
        "-m" => arguments.get(at + 1).cloned(),
        script => file_name(script),
    }
}

fn file_name(path: &str) -> Option<String> {
    Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_what_it_runs() {
        let of = |command: &str| of_command(&command.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for (command, program) in [
            ("/usr/bin/python3.11 -u /usr/bin/jupyter-console --existing", Some("jupyter-console")),
            ("python -m jupyter_console --existing", Some("jupyter_console")),
            ("/opt/code/code --type=utility", Some("code")),
            ("node /srv/client.js", Some("client.js")),
            ("python -c import", None),
            ("python -u -c import", None),
            ("python3", None),
        ] {
            assert_eq!(of(command).as_deref(), program, "{command}");
        }
        assert_eq!(of_command(&[]), None);
    }

    #[test]
    fn people_read_names() {
        let who = |name: Option<&str>, place: Option<&str>| Who {
            name: name.map(str::to_owned),
            place: place.map(str::to_owned),
            is_notebook: place.is_some_and(|place| place.ends_with(".ipynb")),
        };
        let alice = who(Some("alice"), Some("analysis.ipynb"));
        assert_eq!(
            (alice.to_string(), alice.cell()),
            ("alice in analysis.ipynb".to_owned(), "alice's cell in analysis.ipynb".to_owned())
        );
        assert_eq!(who(None, None).cell(), "another client's cell");
        let console = who(Some("bob"), Some("jupyter-console"));
        assert_eq!(
            (console.to_string(), console.cell()),
            ("bob".to_owned(), "bob's cell in jupyter-console".to_owned())
        );
    }
}
