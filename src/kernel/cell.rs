//! Running a cell (messaging spec, "Execute").

use std::sync::Arc;

use jupyter_protocol::ReplyError;
use serde_json::{Map, Value, json};

use super::{
    cell_host::{CellHost, Quiet},
    content::Execute,
    host::Host,
    language::{Gone, Language, Outcome},
    request::Request,
    worker::Worker,
};

impl<L: Language> Worker<L> {
    /// Runs a cell and answers its request.
    pub(super) fn execute(&mut self, request: &Arc<Request>) -> Result<(), Gone> {
        let kernel = Arc::clone(&self.kernel);
        let asked: Execute = match request.content() {
            Ok(asked) => asked,
            Err(failure) => {
                kernel.refuse(request, &failure);
                return Ok(());
            }
        };
        let count = self.execution_count;
        if !asked.silent {
            let content = json!({ "code": asked.code, "execution_count": count });
            kernel.publish("execute_input", content, &request.header);
        }
        let host = CellHost::new(kernel.clone(), request.clone(), &asked);
        let ended = result_of(self.language.execute(&asked.code, count, host)?);
        if asked.stores_history() {
            let value = ended.as_ref().ok().and_then(|value| value.as_deref());
            self.history.record(count, &asked.code, value);
            self.execution_count += 1;
        }
        match ended {
            Ok(value) => self.succeed(request, &asked, count, value)?,
            Err(error) => self.fail(request, &asked, count, &error),
        }
        Ok(())
    }

    fn succeed(
        &mut self,
        request: &Request,
        asked: &Execute,
        count: u32,
        value: Option<String>,
    ) -> Result<(), Gone> {
        if let Some(text) = value.filter(|_| !asked.silent) {
            let data = json!({ "text/plain": text });
            let content = json!({ "execution_count": count, "data": data, "metadata": {} });
            self.kernel.publish("execute_result", content, &request.header);
        }
        let reply = json!({
            "status": "ok",
            "execution_count": count,
            "user_expressions": self.evaluate(asked, count)?,
            "payload": [],
        });
        self.kernel.reply(request, reply);
        Ok(())
    }

    fn fail(&mut self, request: &Request, asked: &Execute, count: u32, error: &ReplyError) {
        let ReplyError { ename, evalue, traceback } = error;
        if !asked.silent {
            self.kernel.publish("error", json!(error), &request.header);
        }
        if asked.stop_on_error {
            self.abort_queued(&request.session);
        }
        let reply = json!({
            "status": "error",
            "ename": ename,
            "evalue": evalue,
            "traceback": traceback,
            "execution_count": count,
            "user_expressions": {},
            "payload": [],
        });
        self.kernel.reply(request, reply);
    }

    /// The values of the user expressions, each under its name; what they print is left out.
    fn evaluate(&mut self, asked: &Execute, count: u32) -> Result<Value, Gone> {
        let quiet: Arc<dyn Host> = Arc::new(Quiet);
        let mut values = Map::new();
        for (name, expression) in asked.user_expressions() {
            let value = match result_of(self.language.evaluate(expression, count, quiet.clone())?) {
                Ok(value) => {
                    let text = value.unwrap_or_else(|| "nil".to_owned());
                    json!({ "status": "ok", "data": { "text/plain": text }, "metadata": {} })
                }
                Err(ReplyError { ename, evalue, traceback }) => {
                    json!({ "status": "error", "ename": ename, "evalue": evalue, "traceback": traceback })
                }
            };
            values.insert(name.to_owned(), value);
        }
        Ok(values.into())
    }
}

/// What a cell evaluates to, or the error that ended it.
fn result_of(outcome: Outcome) -> Result<Option<String>, ReplyError> {
    match outcome {
        Outcome::Value(value) => Ok(value),
        Outcome::Error { ename, evalue, traceback } => Err(ReplyError { ename, evalue, traceback }),
        Outcome::Interrupted => {
            // The name by which frontends know an interrupt, whatever the language.
            let (ename, evalue) = ("KeyboardInterrupt".to_owned(), "the cell was interrupted".to_owned());
            let traceback = vec![format!("{ename}: {evalue}")];
            Err(ReplyError { ename, evalue, traceback })
        }
    }
}
