//! Memory limits of kernels, how many kernels there may be, and what gives way.

use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::*;
use crate::byte_size::ByteSize;

fn size(text: &str) -> ByteSize {
    text.parse().unwrap()
}

fn bounded(kernels: usize, memory: Option<&str>) -> Fleet {
    let bounds = Bounds { kernels: NonZeroUsize::new(kernels), memory: memory.map(size) };
    Fleet::new(Settings { bounds, ..settings() })
}

fn refusal(fleet: &mut Fleet, wish: &str) -> String {
    fleet.connect("refused", process(99));
    match fleet.decide("refused", RequestKind::Other, wish) {
        Decision::Refused(refusal) => refusal.to_string(),
        other => panic!("{wish} is served: {other:?}"),
    }
}

/// A kernel that nobody has had yet.
fn reserve(fleet: &mut Fleet, runtime: usize) -> KernelId {
    let id = kernel(fleet.launched);
    fleet.launched += 1;
    fleet.table.launch(&id, runtime);
    fleet.table.kernel_is_ready(&id);
    id
}

#[test]
fn a_kernel_is_limited_to_what_its_first_client_asked_for() {
    let mut fleet = Fleet::new(settings());
    fleet.connect("a", process(1));
    let asked = fleet.decide("a", RequestKind::Other, r#"{"memory_limit": "512M"}"#);
    let expected = Launch { runtime: PYTHON, memory_limit: Some(size("512M")), displaced: vec![] };
    assert_eq!(asked, Decision::Launch(kernel(0), expected));
    assert_eq!(fleet.join("b", 2, ""), kernel(0), "who asks for nothing takes what is there");
    assert_eq!(fleet.join("c", 3, r#"{"memory_limit": "512M"}"#), kernel(0));
    assert_eq!(fleet.join("d", 4, r#"{"memory_limit": "1G"}"#), kernel(1), "too little for this one");
}

#[test]
fn a_kernel_in_reserve_keeps_its_runtimes_limit() {
    let mut fleet = Fleet::new(settings());
    let id = reserve(&mut fleet, PYTHON);
    assert_eq!(fleet.join("a", 1, r#"{"memory_limit": "512M"}"#), id);
    assert_eq!(fleet.join("b", 2, r#"{"memory_limit": "1G"}"#), id, "its limit is still 1G");
}

#[test]
fn at_most_so_many_kernels_live_and_the_refusal_says_which() {
    let mut fleet = bounded(2, None);
    fleet.join("a", 1, "");
    let lua = fleet.join("b", 2, r#"{"runtime": "lua"}"#);
    let text = refusal(&mut fleet, r#"{"runtime": "gpu"}"#);
    for part in ["runtime=gpu", "2 kernels (max_kernels)", "k0 (python3, 1G), k1 (lua)", "Stop one of them"] {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
    assert_eq!(fleet.join("c", 3, r#"{"runtime": "lua"}"#), lua, "what exists is shared all the same");
    fleet.table.remove_kernel(&lua);
    assert_eq!(fleet.join("d", 4, r#"{"runtime": "gpu"}"#), kernel(2));
}

#[test]
fn the_memory_of_all_kernels_is_bounded_and_the_refusal_says_who_has_it() {
    let mut fleet = bounded(0, Some("2G"));
    fleet.join("a", 1, "");
    fleet.join("b", 2, r#"{"group": "b", "memory_limit": "768M"}"#);
    let text = refusal(&mut fleet, r#"{"group": "c", "memory_limit": "512M"}"#);
    for part in ["needs 512M", "2G (max_memory) 256M is left", "1792M is reserved by k0 (python3, 1G), k1"] {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
    assert_eq!(fleet.join("d", 4, r#"{"group": "c", "memory_limit": "256M"}"#), kernel(2), "just fits");
}

#[test]
fn where_memory_is_bounded_every_kernel_needs_a_limit() {
    let mut fleet = bounded(0, Some("2G"));
    let text = refusal(&mut fleet, r#"{"runtime": "lua"}"#);
    assert!(text.contains("set memory_limit for its runtime"), "{text}");
    let limited = fleet.join("a", 1, r#"{"runtime": "lua", "memory_limit": "1G"}"#);
    assert_eq!(limited, kernel(0), "its client may set one");
    assert!(!fleet.table.has_room_for(LUA) && fleet.table.has_room_for(PYTHON));
}

#[test]
fn a_kernel_in_reserve_gives_way_to_a_client_but_never_to_another_in_reserve() {
    let mut fleet = bounded(2, None);
    let mine = fleet.join("a", 1, r#"{"runtime": "gpu"}"#);
    let spare = reserve(&mut fleet, PYTHON);
    assert!(!fleet.table.has_room_for(LUA));
    fleet.connect("b", process(2));
    let decision = fleet.decide("b", RequestKind::Other, r#"{"runtime": "lua"}"#);
    let expected = Launch { displaced: vec![spare.clone()], ..launch(LUA) };
    assert_eq!(decision, Decision::Launch(kernel(2), expected));
    assert_eq!(fleet.table.pristine_kernels(PYTHON), 0, "nobody is placed on it any more");
    assert!(refusal(&mut fleet, "").contains(&format!("{mine} (gpu), k2 (lua)")), "there is none left");
}

#[test]
fn only_as_many_give_way_as_it_takes_and_none_in_vain() {
    let mut fleet = bounded(0, Some("3G"));
    let spares = [reserve(&mut fleet, PYTHON), reserve(&mut fleet, PYTHON), reserve(&mut fleet, PYTHON)];
    let too_much = refusal(&mut fleet, r#"{"runtime": "lua", "memory_limit": "4G"}"#);
    assert!(too_much.contains("needs 4G"), "{too_much}");
    assert_eq!(fleet.table.pristine_kernels(PYTHON), 3, "none is stopped in vain");
    fleet.connect("b", process(2));
    let decision = fleet.decide("b", RequestKind::Other, r#"{"runtime": "lua", "memory_limit": "2G"}"#);
    let Decision::Launch(_, Launch { displaced, .. }) = decision else { panic!("{decision:?}") };
    assert_eq!(displaced, spares[..2], "the oldest first");
}

#[test]
fn whoever_only_asks_who_the_kernel_is_is_refused_as_well() {
    let mut fleet = bounded(1, None);
    fleet.join("a", 1, r#"{"runtime": "lua"}"#);
    let decision = fleet.decide("b", RequestKind::KernelInfo, "");
    assert!(matches!(&decision, Decision::Refused(_)), "{decision:?}");
}

proptest! {
    /// Whatever clients ask for, come and go: the bounds hold, and each client has a kernel or a refusal.
    #[test]
    fn the_bounds_hold_whatever_clients_ask_for(
        most in 1..4_usize,
        steps in prop::collection::vec((0..6_usize, 0..3_usize, 1..5_u64, any::<bool>()), 1..40),
    ) {
        let mut fleet = bounded(most, Some("2G"));
        let names = ["python3", "lua", "gpu"];
        for (number, runtime, quarters, leaves) in steps {
            let session = format!("s{number}");
            fleet.connect(&session, process(number as i32));
            if leaves {
                fleet.decide(&session, RequestKind::Shutdown { restart: false }, "");
            } else if number == 0 {
                if fleet.table.has_room_for(runtime) {
                    reserve(&mut fleet, runtime);
                }
            } else {
                let wish = format!(
                    r#"{{"runtime": "{}", "memory_limit": {}, "group": "{number}"}}"#,
                    names[runtime], quarters << 28
                );
                let decision = fleet.decide(&session, RequestKind::Other, &wish);
                let is_bound = fleet.table.kernel_of(&client(&session)).is_some();
                prop_assert_eq!(is_bound, !matches!(decision, Decision::Refused(_)));
            }
            let counted = fleet.table.kernels.values().filter(|kernel| kernel.state != KernelState::Stopping);
            let limits: Vec<_> = counted.map(|kernel| kernel.offer.memory_limit).collect();
            prop_assert!(limits.len() <= most);
            let sum: u64 = limits.into_iter().map(|limit| limit.expect("a limit").bytes()).sum();
            prop_assert!(sum <= 2 << 30);
        }
    }
}
