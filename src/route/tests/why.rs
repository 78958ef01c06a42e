//! What is explained is what is decided. (The histories check that at each of their decisions.)

use super::*;

/// Fails where an explanation does not explain a decision that was made for a client without a kernel, or is wrong in
/// itself.
pub(super) fn check(explanation: &Explanation, decision: &Decision, bound: Option<&KernelId>) {
    let fits = |kernel: &ConsideredKernel| kernel.unmet.is_empty();
    let fitting: Vec<&ConsideredKernel> = explanation.kernels.iter().filter(|kernel| fits(kernel)).collect();
    match (&explanation.placement, bound) {
        (Placement::Existing(chosen), Some(bound)) => {
            assert_eq!(chosen, bound, "{explanation:?}");
            let best = fitting
                .iter()
                .min_by_key(|kernel| (kernel.pristine, kernel.clients, kernel.load, kernel.born));
            assert_eq!(best.map(|best| &best.kernel), Some(chosen));
        }
        (Placement::Spawn { runtime, memory_limit }, Some(bound)) => {
            assert!(fitting.is_empty(), "{fitting:?}");
            assert!(explanation.runtimes[*runtime].unmet.is_empty());
            let (Decision::Launch(launched, launch) | Decision::KnownInfo(launched, Some(launch))) = decision
            else {
                panic!("{explanation:?} {decision:?}");
            };
            assert_eq!((launched, launch.runtime, launch.memory_limit), (bound, *runtime, *memory_limit));
        }
        (Placement::Refused(refusal), None) => {
            // What decides nothing is not refused either.
            if let Decision::Refused(told) = decision {
                assert_eq!(told, refusal);
            }
        }
        // A request that decides nothing.
        (_, None) => assert!(!matches!(decision, Decision::Refused(_)), "{explanation:?} {decision:?}"),
        (_, Some(bound)) => panic!("bound to {bound}: {explanation:?}"),
    }
}

fn explain(fleet: &Fleet, wish: &str) -> Explanation {
    fleet.table.explain(&Requirements::parse(wish).unwrap(), None, fleet.now)
}

fn reason(fleet: &Fleet, wish: &str) -> String {
    explain(fleet, wish).reason.to_string()
}

#[test]
fn each_kernel_and_each_runtime_says_what_it_lacks() {
    let mut fleet = Fleet::new(settings());
    fleet.join("a", 1, r#"{"runtime": "lua", "group": "team"}"#);
    let explanation = explain(&fleet, r#"{"runtime": "python3", "memory_limit": "2G"}"#);
    assert_eq!(explanation.reason, Reason::Refused);
    let unmet = |unmet: &[Unmet]| unmet.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        unmet(&explanation.kernels[0].unmet),
        ["is not runtime python3", "has no enforced memory limit", "belongs to the group team"]
    );
    assert_eq!(unmet(&explanation.runtimes[PYTHON].unmet), ["is limited to 1G of memory"]);
    assert_eq!(unmet(&explanation.runtimes[LUA].unmet), ["is not runtime python3"]);
}

#[test]
fn who_names_no_kind_is_told_that_the_default_runtime_is_meant() {
    let explanation = explain(&Fleet::new(settings()), r#"{"group": "team"}"#);
    assert_eq!(explanation.requirements.to_string(), "runtime=python3 group=team");
    assert!(matches!(explanation.placement, Placement::Spawn { runtime: PYTHON, .. }));
    assert_eq!(explanation.reason.to_string(), "there is no kernel, so one is launched");
}

#[test]
fn the_reason_is_the_first_thing_that_told_the_chosen_one_apart() {
    let mut fleet = Fleet::new(settings());
    let first = fleet.join("a", 1, "{}");
    assert_eq!(reason(&fleet, "{}"), "it is the only kernel that fits");
    let (second, _) = fleet.table.reserve(&Requirements::default(), || kernel(1)).unwrap();
    fleet.launched = 2;
    assert_eq!(explain(&fleet, "{}").placement, Placement::Existing(second.clone()));
    assert_eq!(reason(&fleet, "{}"), "of 2 kernels that fit, it has the fewest clients");
    assert_eq!(fleet.join("b", 2, "{}"), second);
    assert_eq!(explain(&fleet, "{}").reason, Reason::Oldest(2));
    assert!(fleet.track(&first, "a", "m", "execute_request", 0));
    assert_eq!(explain(&fleet, "{}").placement, Placement::Existing(second));
    assert_eq!(explain(&fleet, "{}").reason, Reason::LeastBusy(2));
    assert_eq!(reason(&fleet, r#"{"runtime": "lua"}"#), "none of the 2 kernels fits, so one is launched");
}

#[test]
fn a_client_is_remembered_with_what_it_asked_for_and_why_it_got_its_kernel() {
    let mut fleet = Fleet::new(settings());
    fleet.join("a", 1, r#"{"runtime": "lua"}"#);
    fleet.now += LINGER;
    fleet.join("b", 2, r#"{"language": "lua"}"#);
    fleet.now += LINGER;
    let told: Vec<_> = fleet
        .table
        .clients(fleet.now)
        .into_iter()
        .map(|client| {
            let (asked, reason, ago) = client.choice.unwrap();
            (client.client.session.to_string(), asked.to_string(), reason, ago, client.live)
        })
        .collect();
    let ago = |times| LINGER * times;
    assert_eq!(
        told,
        [
            ("a".to_owned(), "runtime=lua".to_owned(), Reason::Launched(0), ago(2), true),
            ("b".to_owned(), "language=lua".to_owned(), Reason::Only, ago(1), true),
        ]
    );
    fleet.table.remove_kernel(&kernel(0));
    assert_eq!(fleet.table.clients(fleet.now), []);
    assert!(fleet.table.choices.is_empty(), "nothing of them is left");
}

#[test]
fn a_reserved_kernel_is_for_its_group_from_the_beginning() {
    let mut fleet = Fleet::new(settings());
    let team = Requirements::parse(r#"{"runtime": "lua", "group": "team"}"#).unwrap();
    let (reserved, launch) = fleet.table.reserve(&team, || kernel(0)).unwrap();
    assert_eq!((reserved, launch.runtime), (kernel(0), LUA));
    fleet.launched = 1;
    assert_eq!(fleet.join("a", 1, r#"{"runtime": "lua"}"#), kernel(1));
    assert_eq!(fleet.join("b", 2, r#"{"runtime": "lua", "group": "team"}"#), kernel(0));
    let nothing = Requirements::parse(r#"{"runtime": "nope"}"#).unwrap();
    let refusal = fleet.table.reserve(&nothing, || kernel(2)).unwrap_err().to_string();
    assert!(refusal.contains("there is no runtime nope"), "{refusal}");
}

#[test]
fn a_released_kernel_says_how_many_clients_it_had_and_gets_no_more() {
    let mut fleet = Fleet::new(settings());
    fleet.join("a", 1, "{}");
    fleet.join("b", 2, "{}");
    assert_eq!(fleet.table.release(&kernel(0), fleet.now), 2);
    assert_eq!(fleet.table.clients(fleet.now), []);
    assert_eq!(fleet.table.occupancy(fleet.now)[0].state, KernelState::Stopping);
    assert_eq!(fleet.bind("a", "{}"), kernel(1));
}

#[test]
fn a_launch_that_there_is_no_room_for_is_explained_as_refused() {
    let bounds = Bounds { kernels: std::num::NonZeroUsize::new(1), ..settings().bounds };
    let mut fleet = Fleet::new(Settings { bounds, ..settings() });
    fleet.join("a", 1, "{}");
    let explanation = explain(&fleet, r#"{"runtime": "lua"}"#);
    assert_eq!(explanation.reason, Reason::Refused);
    assert_eq!(explanation.runtimes[LUA].unmet, [Unmet::NoRoom], "the runtime itself would do");
    let Placement::Refused(refusal) = explanation.placement else { panic!("{:?}", explanation.placement) };
    assert!(refusal.to_string().contains("max_kernels"), "{refusal}");
    let reserved = fleet.table.reserve(&Requirements::parse(r#"{"runtime": "lua"}"#).unwrap(), || kernel(1));
    assert_eq!(reserved.unwrap_err(), refusal);
}

#[test]
fn no_runtime_fits_who_asks_for_a_kernel() {
    let mut fleet = Fleet::new(settings());
    fleet.join("a", 1, "{}");
    for wish in [r#"{"kernel": "k0"}"#, r#"{"kernel": "k9"}"#] {
        let runtimes = explain(&fleet, wish).runtimes;
        assert!(runtimes.iter().all(|runtime| runtime.unmet == [Unmet::Fresh]), "{runtimes:?}");
    }
}

#[test]
fn who_comes_by_a_door_gets_that_kernel_or_none() {
    let mut fleet = Fleet::new(settings());
    let alone = fleet.join("a", 1, r#"{"isolated": true}"#);
    let by_own_file = |wish: &str| {
        let requirements = Requirements::parse(wish).unwrap();
        fleet.table.explain(&requirements, Some(&alone), fleet.now).placement
    };
    assert_eq!(by_own_file(r#"{"kernel": "k0"}"#), Placement::Existing(alone.clone()));
    assert!(matches!(by_own_file(r#"{"kernel": "k1"}"#), Placement::Refused(_)));
}
