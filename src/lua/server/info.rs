//! What the kernel says of itself.

use serde_json::{Value, json};

use crate::{
    channel::Channel,
    jupyter::{connection_file::Ports, reply::PROTOCOL_VERSION},
};

/// The release of Lua that is built in.
const LUA_VERSION: &str = "5.4.9";

/// The content of a `kernel_info_reply` (messaging spec, "Kernel info").
pub(super) fn kernel_info() -> Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL_VERSION,
        "implementation": "jupyter-fleet-lua",
        "implementation_version": version,
        "language_info": {
            "name": "lua",
            "version": LUA_VERSION,
            "mimetype": "text/x-lua",
            "file_extension": ".lua",
            "pygments_lexer": "lua",
            "codemirror_mode": "lua",
        },
        "banner": format!("Lua {LUA_VERSION}, the built-in kernel of jupyter-fleet {version}"),
        "help_links": [{ "text": "Lua 5.4 reference manual", "url": "https://www.lua.org/manual/5.4/" }],
        "debugger": false,
        "supported_features": [],
    })
}

/// The content of a `connect_reply` (messaging spec, "Connect").
pub(super) fn connect(ports: &Ports) -> Value {
    json!({
        "status": "ok",
        "shell_port": ports.of(Channel::Shell),
        "iopub_port": ports.of(Channel::IoPub),
        "stdin_port": ports.of(Channel::Stdin),
        "control_port": ports.of(Channel::Control),
        "hb_port": ports.of(Channel::Heartbeat),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_sources_that_are_built() {
        // lua-src names its own versions: with another one, look up LUA_VERSION_RELEASE in its lua.h.
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains("name = \"lua-src\"\nversion = \"551.0.2\""));
        assert!(
            mlua::Lua::new()
                .globals()
                .get::<String>("_VERSION")
                .is_ok_and(|short| { format!("Lua {LUA_VERSION}").starts_with(&format!("{short}.")) })
        );
    }
}
