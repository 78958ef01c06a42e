//! The fleet that serves the host's sockets: asked to, given them, and followed until it ends.

use std::{io, os::fd::AsFd, time::Duration};

use bytes::Bytes;
use rustix::process::getppid;
use tokio::time::timeout;

use super::{absence::Absence, room::Room, run::Options};
use crate::{
    admin::{
        AdminClient,
        hosts::{ConnectionOffer, Conversation, FromServe, FromStub, HostOffer},
    },
    channel::Channel,
    net::{HandedOver, Server},
};

/// How long a fleet may take to answer before the next try.
const ANSWER: Duration = Duration::from_secs(5);

/// A fleet that serves the host, or is about to.
#[derive(Debug)]
pub(super) struct Fleet(Conversation);

/// How the time with a fleet ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The host has shut its kernel down.
    ByHost,
    /// The fleet is gone.
    FleetLost(String),
}

impl Fleet {
    /// Asks the fleet to serve the host.
    pub(super) async fn ask(options: &Options, answered: Vec<String>) -> Result<Self, Absence> {
        let fleet_file = options.directories.runtime.join("kernel-fleet.json");
        let client = AdminClient::new(&options.directories.state());
        let silent = |cause: String| Absence::Silent { path: fleet_file.clone(), cause };
        let asked = async {
            let mut conversation =
                client.converse().await.map_err(|error| Absence::of(&error, &fleet_file))?;
            let offer = FromStub::Host(Box::new(HostOffer {
                connection_file: options.connection_file.clone(),
                wishes: options.wishes.clone(),
                directory: options.directory.clone(),
                arguments: options.arguments.clone(),
                environment: options.environment.clone(),
                host: options.host.or_else(|| getppid().map(|parent| parent.as_raw_nonzero().get())),
                answered,
            }));
            conversation.say(&offer, &[]).await.map_err(|error| silent(error.to_string()))?;
            match conversation.next().await.map_err(|error| silent(error.to_string()))? {
                Some(FromServe::Welcome) => Ok(Self(conversation)),
                Some(FromServe::Refused(reason)) => Err(Absence::Refused(reason)),
                Some(FromServe::Ended) | None => Err(silent("it ended the conversation".to_owned())),
            }
        };
        timeout(ANSWER, asked).await.unwrap_or_else(|_| Err(silent(format!("no answer within {ANSWER:?}"))))
    }

    /// Gives the sockets, and the connections that were accepted on them.
    pub(super) async fn give(
        &self,
        server: &Server,
        connections: Vec<(Channel, HandedOver)>,
    ) -> io::Result<()> {
        let sockets = server.sockets()?;
        self.0.say(&FromStub::Sockets, &sockets.each_ref().map(AsFd::as_fd)).await?;
        for (channel, HandedOver { socket, remote, unread }) in connections {
            let offer = ConnectionOffer {
                channel,
                socket: remote.socket.to_string(),
                identity: hex::encode(&remote.identity),
                version: remote.version,
                unread: hex::encode(Bytes::as_ref(&unread)),
            };
            self.0.say(&FromStub::Connection(offer), &[socket.as_fd()]).await?;
        }
        self.0.say(&FromStub::Serve, &[]).await
    }

    /// Passes interrupts on until the fleet is gone, or says that the host needs this process no more.
    pub(super) async fn follow(mut self, room: &Room) -> Ended {
        loop {
            tokio::select! {
                said = self.0.next() => match said {
                    Ok(Some(FromServe::Ended)) => return Ended::ByHost,
                    Ok(Some(_)) => {}
                    Ok(None) => return Ended::FleetLost("it has ended".to_owned()),
                    Err(error) => return Ended::FleetLost(error.to_string()),
                },
                () = room.interrupts.notified() => {
                    if let Err(error) = self.0.say(&FromStub::Interrupt, &[]).await {
                        return Ended::FleetLost(error.to_string());
                    }
                }
            }
        }
    }
}
