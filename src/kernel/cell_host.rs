//! The outside of a running cell: iopub for what it shows, stdin for what it asks.

use std::sync::Arc;

use serde_json::json;

use super::{
    content::Execute,
    host::{Host, InputError, MimeBundle, Stdio},
    request::Request,
    running::Kernel,
};

/// The host of the cell of one request.
pub(super) struct CellHost {
    kernel: Arc<Kernel>,
    request: Arc<Request>,
    silent: bool,
    allow_stdin: bool,
}

impl CellHost {
    pub fn new(kernel: Arc<Kernel>, request: Arc<Request>, asked: &Execute) -> Arc<Self> {
        Arc::new(Self { kernel, request, silent: asked.silent, allow_stdin: asked.allow_stdin })
    }
}

impl Host for CellHost {
    fn stream(&self, stdio: Stdio, text: &str) {
        if !self.silent {
            self.kernel.publish_stream(stdio.name(), text, &self.request.header);
        }
    }

    fn display(&self, bundle: MimeBundle) {
        if !self.silent {
            let content = json!({ "data": bundle, "metadata": {}, "transient": {} });
            self.kernel.publish("display_data", content, &self.request.header);
        }
    }

    fn input(&self, prompt: &str, password: bool) -> Result<String, InputError> {
        if !self.allow_stdin {
            return Err(InputError::NotAllowed);
        }
        let Kernel { stdin, builder, signer, .. } = &*self.kernel;
        stdin.ask(&self.request, prompt, password, (builder, signer))
    }
}

/// The host of a user expression: it may look, and nothing else.
pub(super) struct Quiet;

impl Host for Quiet {
    fn stream(&self, _: Stdio, _: &str) {}

    fn display(&self, _: MimeBundle) {}

    fn input(&self, _: &str, _: bool) -> Result<String, InputError> {
        Err(InputError::NotAllowed)
    }
}
