//! What can be launched: installed kernelspecs, tables of the config, the built-in `lua`; and the files that this needs.
//!
//! Directories and files of Jupyter are found, read and written here. Processes and sockets belong elsewhere.
mod collection;
mod directories;
mod discovery;
mod environment;
mod files;
mod process_limits;
mod python;
mod runtime;
mod search_path;
mod shim;

pub use collection::{RuntimeNames, Runtimes, UnknownRuntime};
pub use directories::Directories;
pub use discovery::{Discovery, SkipReason, SkippedKernelspec, discover, kernelspecs_in, read_kernelspec};
pub use environment::{Environment, NoHome, Platform};
pub use files::{
    FileError, create_directory, create_private_directory, read_connection_file, write_connection_file,
    write_private,
};
pub use process_limits::{Cores, Nice, NotNice, ProcessLimits};
pub use python::PythonEnvironment;
pub use runtime::{Adapter, CommandValues, ConnectionMode, Launch, Runtime, RuntimeSource, usual_transport};
pub use search_path::search_path;
