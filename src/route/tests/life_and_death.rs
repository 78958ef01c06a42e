//! Kernels that come up, die, come back and are stopped.

use super::*;

#[test]
fn bindings_survive_a_kernels_death() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    fleet.table.kernel_is_down(&id);
    assert_eq!(fleet.decide("a", RequestKind::Other, ""), Decision::Forward(id.clone()));
    assert_eq!(fleet.join("b", 2, ""), id, "it comes back, so it may be shared meanwhile");
}

#[test]
fn a_kernel_that_is_gone_for_good_takes_its_bindings_along() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    fleet.track(&id, "a", "1", "execute_request", 7);
    fleet.subscribe(1, process(1));
    fleet.table.take_changes();
    let lost: Vec<u32> = fleet.table.remove_kernel(&id).into_iter().map(|request| request.address).collect();
    assert_eq!(lost, [7]);
    assert_eq!(
        fleet.table.take_changes(),
        [Change::Left { subscriber: ConnectionId(1), kernel: id.clone() }]
    );
    assert_eq!(fleet.table.kernel_of(&client("a")), None);
    assert_eq!(fleet.decide("a", RequestKind::Other, ""), Decision::Launch(kernel(1), launch(PYTHON)));
    assert_eq!(fleet.table.remove_kernel(&id), []);
}

#[test]
fn a_stopping_kernel_takes_nobody_even_after_its_process_has_ended() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    assert_eq!(fleet.decide("a", RequestKind::Shutdown { restart: false }, ""), Decision::Stop(id.clone()));
    assert_eq!(fleet.bind("a", ""), kernel(1));
    fleet.table.kernel_is_down(&id);
    assert_ne!(fleet.bind("b", r#"{"group": "b"}"#), id);
    fleet.connect("c", process(3));
    let decision = fleet.decide("c", RequestKind::Other, r#"{"kernel": "k0"}"#);
    assert!(matches!(&decision, Decision::Refused(_)), "{decision:?}");
}

#[test]
fn a_stopped_kernel_still_answers_what_it_was_asked() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    fleet.track(&id, "a", "1", "execute_request", 7);
    fleet.decide("a", RequestKind::Shutdown { restart: false }, "");
    assert_eq!(fleet.answered(&id, "1", "a"), Some(7));
}

#[test]
fn a_kernel_of_no_known_runtime_is_not_entered() {
    let mut fleet = Fleet::new(settings());
    assert_eq!(fleet.table.launch(&kernel(0), 99), None);
    assert_eq!(fleet.table.launch(&kernel(0), LUA), Some(()));
    assert_eq!((fleet.table.pristine_kernels(LUA), fleet.table.pristine_kernels(PYTHON)), (1, 0));
}

#[test]
fn what_is_said_of_a_kernel_that_is_gone_changes_nothing() {
    let mut fleet = Fleet::new(settings());
    let gone = kernel(9);
    fleet.table.kernel_is_ready(&gone);
    fleet.table.finished(&gone, "1", "a");
    assert_eq!(fleet.table.input_asked(&gone, ("1", "a"), "question"), None);
    assert_eq!((fleet.table.outstanding(&gone), fleet.table.clients_of(&gone)), (0, vec![]));
    let info = fleet.decide("a", RequestKind::KernelInfo, "");
    assert_eq!(info, Decision::KnownInfo(kernel(0), Some(launch(PYTHON))), "nothing was learnt from it");
}
