//! llmspell as the language of a kernel.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::timeout};

use super::{cells::failed, instance::Instance};
use crate::{
    kernel::{
        Completeness, Completion, Gone, Host, InputError, InterruptHandle, Language, MimeBundle, Outcome,
        Stdio,
    },
    lua::Syntax,
};

/// How long llmspell may take to tell the names of its variables, between two cells.
const NAMES: Duration = Duration::from_secs(2);

/// llmspell, and what can be told of code without it.
pub(super) struct Engine {
    instance: Instance,
    interrupt: InterruptHandle,
    runtime: Handle,
    /// Lua's parser, where cells are Lua.
    syntax: Option<Syntax>,
}

impl Engine {
    /// To be made where a runtime runs.
    pub fn new(instance: Instance, interrupt: InterruptHandle, is_lua: bool) -> Self {
        Self { instance, interrupt, runtime: Handle::current(), syntax: is_lua.then(Syntax::default) }
    }
}

impl Language for Engine {
    fn execute(&mut self, code: &str, execution_count: u32, host: Arc<dyn Host>) -> Result<Outcome, Gone> {
        // To empty code llmspell says nothing at all.
        if code.trim().is_empty() {
            return Ok(Outcome::Value(None));
        }
        let name = format!("cell {execution_count}");
        let source = self.syntax.as_ref().map(|syntax| syntax.source(code, &name)).transpose();
        let source = match source {
            Ok(source) => source,
            Err(syntax_error) => return Ok(syntax_error),
        };
        let Self { instance, interrupt, runtime, .. } = self;
        runtime.block_on(async {
            let ran = tokio::select! {
                ran = instance.run(code, source.as_ref(), &name, &*host) => Some(ran),
                () = interrupt.interrupted() => None,
            };
            match ran {
                Some(ran) => ran,
                None => {
                    instance.begin_anew().await;
                    Ok(interrupted())
                }
            }
        })
    }

    fn evaluate(
        &mut self,
        expression: &str,
        execution_count: u32,
        host: Arc<dyn Host>,
    ) -> Result<Outcome, Gone> {
        match self.syntax {
            Some(_) => self.execute(&format!("return {expression}"), execution_count, host),
            None => self.execute(expression, execution_count, host),
        }
    }

    fn complete(&mut self, code: &str, cursor_pos: usize) -> Completion {
        let Self { instance, runtime, .. } = self;
        let names = |path: &[&str], only_functions| {
            let asked = async { timeout(NAMES, instance.names(path, only_functions, &Nobody)).await };
            let names = runtime.block_on(asked).ok().flatten().map(|answer| answer.names).unwrap_or_default();
            names.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let nothing = Completion { matches: Vec::new(), cursor_start: cursor_pos, cursor_end: cursor_pos };
        self.syntax.as_ref().map_or(nothing, |syntax| syntax.complete(code, cursor_pos, names))
    }

    fn inspect(&mut self, _: &str, _: usize) -> Option<String> {
        None
    }

    fn is_complete(&mut self, code: &str) -> Completeness {
        self.syntax.as_ref().map_or(Completeness::Unknown, |syntax| syntax.is_complete(code))
    }
}

/// The name is the one by which frontends know an interrupt, whatever the language.
fn interrupted() -> Outcome {
    let evalue = "the cell was interrupted: llmspell had to be ended for that and is started anew, so its variables are \
                  gone";
    failed("KeyboardInterrupt", evalue)
}

/// The host of what no client has asked for.
struct Nobody;

impl Host for Nobody {
    fn stream(&self, _: Stdio, _: &str) {}

    fn display(&self, _: MimeBundle) {}

    fn input(&self, _: &str, _: bool) -> Result<String, InputError> {
        Err(InputError::NotAllowed)
    }
}
