//! What the kernel says of itself.

use serde_json::{Value, json};

use crate::jupyter::reply::PROTOCOL_VERSION;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_sources_that_are_built() {
        // lua-src names its own versions: with another one, look up LUA_VERSION_RELEASE in its lua.h.
        let lock = include_str!("../../Cargo.lock");
        assert!(lock.contains("name = \"lua-src\"\nversion = \"551.0.2\""));
        assert!(
            mlua::Lua::new()
                .globals()
                .get::<String>("_VERSION")
                .is_ok_and(|short| { format!("Lua {LUA_VERSION}").starts_with(&format!("{short}.")) })
        );
    }
}
