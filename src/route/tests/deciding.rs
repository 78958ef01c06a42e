//! Which request decides, and what becomes of those that do not.

use super::*;

#[test]
fn the_first_request_launches_the_default_runtime() {
    let mut fleet = Fleet::new(settings());
    fleet.connect("a", process(1));
    assert_eq!(fleet.decide("a", RequestKind::Other, ""), Decision::Launch(kernel(0), launch(PYTHON)));
    assert_eq!(fleet.decide("a", RequestKind::Other, ""), Decision::Forward(kernel(0)));
}

#[test]
fn kernel_info_with_metadata_decides() {
    let mut fleet = Fleet::new(settings());
    fleet.connect("a", process(1));
    let decision = fleet.decide("a", RequestKind::KernelInfo, r#"{"runtime": "lua"}"#);
    assert_eq!(decision, Decision::KnownInfo(kernel(0), Some(launch(LUA))));
    assert_eq!(fleet.table.kernel_of(&client("a")), Some(&kernel(0)));
    fleet.table.kernel_is_ready(&kernel(0));
    assert_eq!(fleet.decide("a", RequestKind::KernelInfo, ""), Decision::Forward(kernel(0)));
}

#[test]
fn empty_metadata_decides_for_the_default_runtime() {
    let mut fleet = Fleet::new(settings());
    fleet.connect("a", process(1));
    assert_eq!(
        fleet.decide("a", RequestKind::KernelInfo, "{}"),
        Decision::KnownInfo(kernel(0), Some(launch(PYTHON)))
    );
    assert_eq!(fleet.table.kernel_of(&client("a")), Some(&kernel(0)));
}

#[test]
fn kernel_info_without_metadata_tells_of_the_default_runtime_and_decides_nothing() {
    let mut fleet = Fleet::new(settings());
    fleet.connect("a", process(1));
    let info = |fleet: &mut Fleet| fleet.decide("a", RequestKind::KernelInfo, "");
    assert_eq!(
        info(&mut fleet),
        Decision::KnownInfo(kernel(0), Some(launch(PYTHON))),
        "the first kernel of it"
    );
    assert_eq!(info(&mut fleet), Decision::KnownInfo(kernel(0), None), "the same one, on its way");
    fleet.table.kernel_is_ready(&kernel(0));
    assert_eq!(info(&mut fleet), Decision::RuntimeInfo(PYTHON));
    assert_eq!(fleet.table.kernel_of(&client("a")), None);
    let decision = fleet.decide("a", RequestKind::Other, r#"{"runtime": "lua"}"#);
    assert_eq!(decision, Decision::Launch(kernel(1), launch(LUA)), "the first cell still chooses");
}

#[test]
fn what_is_known_of_the_default_runtime_outlives_its_kernels() {
    let mut fleet = Fleet::new(settings());
    let first = fleet.join("a", 1, "");
    fleet.table.remove_kernel(&first);
    assert_eq!(fleet.decide("b", RequestKind::KernelInfo, ""), Decision::RuntimeInfo(PYTHON));
}

#[test]
fn a_kernel_with_a_past_delays_nobody_who_asks_who_it_is() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    let info = |fleet: &mut Fleet| fleet.decide("a", RequestKind::KernelInfo, "");
    fleet.table.has_past(&id, true);
    assert_eq!(info(&mut fleet), Decision::KnownInfo(id.clone(), None), "it may be busy");
    assert_eq!(fleet.decide("a", RequestKind::Other, ""), Decision::Forward(id.clone()));
    fleet.table.has_past(&id, false);
    assert_eq!(info(&mut fleet), Decision::Forward(id.clone()));
    fleet.table.has_past(&id, true);
    fleet.table.kernel_is_down(&id);
    fleet.table.kernel_is_ready(&id);
    assert_eq!(info(&mut fleet), Decision::Forward(id), "its next process has none");
}

#[test]
fn a_kernel_that_takes_messages_before_it_is_known_tells_nothing_of_its_runtime() {
    let mut fleet = Fleet::new(settings());
    fleet.table.launch(&kernel(0), PYTHON);
    fleet.table.kernel_takes_messages(&kernel(0));
    assert_eq!(fleet.decide("a", RequestKind::KernelInfo, ""), Decision::KnownInfo(kernel(0), None));
    fleet.table.kernel_is_ready(&kernel(0));
    assert_eq!(fleet.decide("a", RequestKind::KernelInfo, ""), Decision::RuntimeInfo(PYTHON));
}

#[test]
fn kernel_info_launches_anew_where_the_first_kernel_never_came_up() {
    let mut fleet = Fleet::new(settings());
    fleet.decide("a", RequestKind::KernelInfo, "");
    fleet.table.remove_kernel(&kernel(0));
    let decision = fleet.decide("a", RequestKind::KernelInfo, "");
    assert_eq!(decision, Decision::KnownInfo(kernel(1), Some(launch(PYTHON))));
}

#[test]
fn the_kernel_that_told_of_the_default_runtime_serves_the_first_who_decides() {
    let mut fleet = Fleet::new(settings());
    fleet.decide("a", RequestKind::KernelInfo, "");
    assert_eq!(fleet.table.pristine_kernels(PYTHON), 1);
    assert_eq!(fleet.decide("b", RequestKind::Other, r#"{"isolated": true}"#), Decision::Forward(kernel(0)));
    assert_eq!(fleet.table.pristine_kernels(PYTHON), 0);
}

#[test]
fn requests_about_a_kernel_decide_nothing_without_one() {
    let mut fleet = Fleet::new(settings());
    fleet.connect("a", process(1));
    assert_eq!(fleet.decide("a", RequestKind::Connect, ""), Decision::Connect);
    assert_eq!(fleet.decide("a", RequestKind::Interrupt, ""), Decision::NothingToInterrupt);
    assert_eq!(fleet.decide("a", RequestKind::Shutdown { restart: true }, ""), Decision::Detached(0));
    assert_eq!(fleet.decide("a", RequestKind::InputReply, ""), Decision::Unasked);
    assert_eq!((fleet.table.kernel_of(&client("a")), fleet.launched), (None, 0));
}

#[test]
fn metadata_that_makes_no_sense_is_told_and_binds_nothing() {
    let mut fleet = Fleet::new(settings());
    fleet.connect("a", process(1));
    let Decision::Misunderstood(error) = fleet.decide("a", RequestKind::Other, r#"{"runtmie": "lua"}"#)
    else {
        panic!("a misspelt key goes unheard")
    };
    assert!(error.to_string().contains("runtmie"), "{error}");
    assert_eq!(fleet.table.kernel_of(&client("a")), None);
}

#[test]
fn metadata_of_a_bound_client_is_not_even_read() {
    let mut fleet = Fleet::new(settings());
    let first = fleet.join("a", 1, "");
    assert_eq!(fleet.decide("a", RequestKind::Other, r#"{"runtmie": "lua"}"#), Decision::Forward(first));
}

#[test]
fn the_kind_of_a_message_is_told_by_its_type() {
    let of = |msg_type| RequestKind::of(msg_type, || true);
    assert_eq!(of("kernel_info_request"), RequestKind::KernelInfo);
    assert_eq!(of("connect_request"), RequestKind::Connect);
    assert_eq!(of("interrupt_request"), RequestKind::Interrupt);
    assert_eq!(of("shutdown_request"), RequestKind::Shutdown { restart: true });
    assert_eq!(of("input_reply"), RequestKind::InputReply);
    assert_eq!(of("execute_request"), RequestKind::Other);
    assert_eq!(of("comm_msg"), RequestKind::Other);
}
