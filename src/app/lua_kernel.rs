//! `lua-kernel`: the built-in kernel, as `serve` and other launchers start it.

use crate::{cli::lua_kernel::LuaKernelArguments, lua, runtimes::read_connection_file};

/// Runs the built-in Lua kernel until it is shut down.
pub fn lua_kernel(arguments: &LuaKernelArguments) -> anyhow::Result<()> {
    let file = read_connection_file(&arguments.connection_file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(lua::serve(file))?)
}
