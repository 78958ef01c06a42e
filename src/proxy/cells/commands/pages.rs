//! What `%fleet` shows.

use std::time::{Duration, Instant};

use crate::{
    fleet::seconds_since_epoch,
    id::{ClientId, KernelId},
    magic::Page,
    proxy::{KernelReport, Proxy, Who, frontend::gate::Held},
    route::{Explanation, Placement, RequestKind, Requirements, Unmet},
};

impl Proxy {
    /// Which kernel the client has, who shares it, its limits, what else runs.
    pub(super) fn status_page(&self, client: &ClientId, held: &Held) -> Page {
        let (own, visited) = {
            let table = self.table.lock();
            (table.kernel_of(client).cloned(), table.visited_by(client))
        };
        let Some(report) = own.as_ref().and_then(|id| self.kernel_report(id)) else {
            let name = self.runtimes.get(self.default_runtime).map(|runtime| runtime.name.to_string());
            let default = name.unwrap_or_default();
            return Page::new().line(format!(
                "You have no kernel yet. Your next cell gets one of {default}, unless it says otherwise: %fleet help"
            ));
        };
        let page = Page::new().table(["YOUR KERNEL", report.occupancy.kernel.as_str()], facts(&report));
        let page = self.sharing(page, client);
        let page = self.sharers(page, client, &report.occupancy.kernel);
        let names = visited.iter().map(|id| self.name_of(id)).collect::<Vec<_>>().join(", ");
        let page =
            if visited.is_empty() { page } else { page.line(format!("You also run cells on: {names}.")) };
        if held.connection.endpoint.defaults.kernel.is_some() {
            return page.line("Your connection file leads to this kernel and to no other.");
        }
        match self.kernels.len().saturating_sub(1) {
            0 => page.line("No other kernel runs in this fleet."),
            1 => page.line("1 other kernel runs in this fleet: %fleet list"),
            others => page.line(format!("{others} other kernels run in this fleet: %fleet list")),
        }
    }

    /// Who uses the client's kernel, and what each has there: whose cell runs first, then those that wait, in order.
    fn sharers(&self, page: Page, client: &ClientId, kernel: &KernelId) -> Page {
        let (users, bound) = {
            let (table, now) = (self.table.lock(), Instant::now());
            let users = table.users_of(kernel).into_iter().filter(|user| table.is_live(user, now));
            let users: Vec<ClientId> = users.collect();
            let bound: Vec<_> = users.iter().map(|user| table.bound_for(user, now)).collect();
            (users, bound)
        };
        let cells = self.kernel(kernel).map(|kernel| kernel.cell_queues.by_client()).unwrap_or_default();
        let mut rows: Vec<_> = users
            .iter()
            .zip(bound)
            .map(|(user, since)| {
                let cells = cells.get(user).copied().unwrap_or_default();
                let you = if user == client { " (you)" } else { "" };
                let order = (cells.running_for.is_none(), cells.waiting == 0, cells.before);
                (
                    order,
                    [
                        format!("{}{you}", name_and_place(&self.who(user))),
                        cells.to_string(),
                        since.map_or_else(dash, time),
                    ],
                )
            })
            .collect();
        rows.sort_by_key(|(order, _)| *order);
        let rows: Vec<[String; 3]> = rows.into_iter().map(|(_, row)| row).collect();
        if rows.len() > 1 { page.table(["WHO", "CELLS", "SINCE"], rows) } else { page }
    }

    /// All kernels, or the one that the client's connection file leads to.
    pub(super) fn list_page(&self, client: &ClientId, held: &Held) -> Page {
        let own = self.table.lock().kernel_of(client).cloned();
        let leads_to = held.connection.endpoint.defaults.kernel.as_ref();
        let kernels = self.kernels().into_iter();
        let kernels = kernels.filter(|report| leads_to.is_none_or(|only| report.occupancy.kernel == *only));
        let rows = kernels
            .map(|report| {
                let occupancy = &report.occupancy;
                let yours = if own.as_ref() == Some(&occupancy.kernel) { " (yours)" } else { "" };
                [
                    format!("{}{yours}", occupancy.kernel),
                    occupancy.offer.runtime.to_string(),
                    report.status.to_string(),
                    occupancy.clients.to_string(),
                    group(&report),
                    occupancy.offer.memory_limit.map_or_else(dash, |limit| limit.to_string()),
                    up(&report),
                ]
            })
            .collect::<Vec<_>>();
        if rows.is_empty() {
            return Page::new().line("No kernel runs in this fleet.");
        }
        Page::new().table(["KERNEL", "RUNTIME", "STATUS", "CLIENTS", "GROUP", "MEMORY", "UP"], rows)
    }

    /// What can be launched.
    pub(super) fn runtimes_page(&self) -> Page {
        let rows = self.runtimes.iter().enumerate().map(|(index, runtime)| {
            let default = if index == self.default_runtime { " (default)" } else { "" };
            [
                format!("{}{default}", runtime.name),
                if runtime.language.is_empty() { dash() } else { runtime.language.clone() },
                runtime.display_name.clone(),
                runtime.providers.iter().cloned().collect::<Vec<_>>().join(", "),
                runtime.labels.iter().cloned().collect::<Vec<_>>().join(", "),
                runtime.memory_limit.map_or_else(dash, |limit| limit.to_string()),
            ]
        });
        let headings = ["RUNTIME", "LANGUAGE", "NAME", "PROVIDERS", "LABELS", "MEMORY"];
        Page::new().table(headings, rows.collect()).line("Move to one with: %fleet use runtime=NAME")
    }

    /// Why the client has its kernel, or which one it would get.
    pub(super) fn why_page(&self, client: &ClientId, held: &Held, wishes: Option<Requirements>) -> Page {
        let request = held.connection.request(client, RequestKind::Other);
        let now = Instant::now();
        let Some(wishes) = wishes else { return self.reason_page(client) };
        let table = self.table.lock();
        let meant = table.beside(&request, wishes);
        let at_hand = table.at_hand(client, &meant, now);
        let explained = table.explain_for(&meant, &request, now);
        drop(table);
        if let Some(kernel) = at_hand {
            let name = self.name_of(&kernel);
            return Page::new()
                .line(format!("You asked for {meant}: kernel {name} is that, and you use it already."));
        }
        explanation(&explained)
    }

    fn reason_page(&self, client: &ClientId) -> Page {
        let bound = self.table.lock().clients(Instant::now());
        let Some(report) = bound.into_iter().find(|bound| bound.client == *client) else {
            return Page::new().line("You have no kernel yet.");
        };
        let name = self.name_of(&report.kernel);
        let Some((asked, reason, since)) = report.choice else {
            return Page::new()
                .line(format!("You have kernel {name} since before the fleet was last started."));
        };
        Page::new()
            .line(format!("You have kernel {name}, since {} ago.", time(since)))
            .line(format!("You asked for {asked}: {reason}."))
    }
}

fn facts(report: &KernelReport) -> Vec<[String; 2]> {
    let occupancy = &report.occupancy;
    let fact = |name: &str, value: String| [name.to_owned(), value];
    let held_by = report.process.as_ref().map(|process| process.enforcement.mechanism.to_string());
    let memory = occupancy.offer.memory_limit.map_or_else(
        || "unlimited".to_owned(),
        |limit| format!("{limit} (held by {})", held_by.unwrap_or_else(dash)),
    );
    let missing =
        report.missing_channels.iter().map(|channel| fact("lacks", format!("its {channel} channel")));
    let most = occupancy.offer.max_clients.map_or_else(String::new, |most| format!(" of at most {most}"));
    let facts = [
        fact("runtime", occupancy.offer.to_string()),
        fact("status", report.status.to_string()),
        fact("up", up(report)),
        fact("group", group(report)),
        fact("clients", format!("{}{most}", occupancy.clients)),
        fact("memory", memory),
        fact(
            "process",
            report.process.as_ref().map_or_else(dash, |process| process.identity.pid.to_string()),
        ),
    ];
    facts.into_iter().chain(missing).collect()
}

fn explanation(explained: &Explanation) -> Page {
    let lacks = |unmet: &[Unmet]| match unmet {
        [] => "fits".to_owned(),
        unmet => unmet.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    };
    let (gets, because) = match &explained.placement {
        Placement::Existing(kernel) => (format!("kernel {kernel}"), explained.reason.to_string()),
        Placement::Spawn { runtime, .. } => {
            let runtime = explained.runtimes.get(*runtime).map(|runtime| runtime.runtime.to_string());
            (format!("a new kernel of {}", runtime.unwrap_or_default()), explained.reason.to_string())
        }
        Placement::Refused(refusal) => ("no kernel".to_owned(), refusal.to_string()),
    };
    let kernels = explained.kernels.iter().map(|kernel| {
        [
            kernel.kernel.to_string(),
            kernel.runtime.to_string(),
            kernel.clients.to_string(),
            lacks(&kernel.unmet),
        ]
    });
    Page::new()
        .line(format!("Who asks for {} gets {gets}: {because}.", explained.requirements))
        .table(["KERNEL", "RUNTIME", "CLIENTS", "VERDICT"], kernels.collect())
}

fn group(report: &KernelReport) -> String {
    match &report.occupancy.group {
        Some(group) => group.clone(),
        None if report.occupancy.pristine => "(anyone's)".to_owned(),
        None if report.occupancy.exclusive => "(isolated)".to_owned(),
        None => dash(),
    }
}

fn name_and_place(who: &Who) -> String {
    let name = who.name.as_deref().unwrap_or("somebody");
    who.place.as_ref().map_or_else(|| name.to_owned(), |place| format!("{name} in {place}"))
}

fn up(report: &KernelReport) -> String {
    let started_at = report.process.as_ref().map(|process| process.started_at);
    started_at.map_or_else(dash, |at| time(Duration::from_secs(seconds_since_epoch().saturating_sub(at))))
}

fn time(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

fn dash() -> String {
    "-".to_owned()
}
