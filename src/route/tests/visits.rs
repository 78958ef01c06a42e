//! Single cells on other kernels, and moving for good.

use super::*;

const LUA_WISH: &str = r#"{"runtime": "lua"}"#;

fn launched(decision: Option<Decision>) -> KernelId {
    match decision {
        Some(Decision::Launch(id, _)) => id,
        other => panic!("nothing was launched: {other:?}"),
    }
}

fn moved_to(moved: Option<Result<Moved, Refusal>>) -> KernelId {
    match moved {
        Some(Ok(Moved::To(id, _))) => id,
        other => panic!("not moved: {other:?}"),
    }
}

#[test]
fn a_visit_finds_what_the_one_before_it_left_and_the_binding_stays() {
    let mut fleet = Fleet::new(settings());
    let own = fleet.join("a", 1, "");
    let lua = launched(fleet.visit("a", LUA_WISH));
    fleet.join("b", 2, LUA_WISH);
    assert_eq!(fleet.visit("a", LUA_WISH), Some(Decision::Forward(lua.clone())));
    assert_eq!(fleet.table.kernel_of(&client("a")), Some(&own));
    assert_eq!(fleet.table.visited_by(&client("a")), [lua]);
    assert_eq!(fleet.visit("a", r#"{"language": "python"}"#), Some(Decision::Forward(own)), "at home");
}

#[test]
fn a_visitor_is_in_the_group_of_its_own_kernel_unless_it_says_otherwise() {
    let mut fleet = Fleet::new(settings());
    fleet.join("a", 1, r#"{"group": "red"}"#);
    fleet.join("b", 2, r#"{"group": "blue"}"#);
    let red = launched(fleet.visit("a", LUA_WISH));
    let blue = launched(fleet.visit("b", LUA_WISH));
    assert_ne!(red, blue);
    let nobodys = launched(fleet.visit("a", r#"{"runtime": "lua", "group": ""}"#));
    assert_eq!(fleet.table.kernels[&nobodys].group, None);
    assert_eq!(
        fleet.visit("b", r#"{"runtime": "lua", "group": "red"}"#),
        Some(Decision::Forward(red.clone()))
    );
    // Who says only the group means a kernel like its own.
    let python = launched(fleet.visit("b", r#"{"group": "green"}"#));
    assert_eq!(fleet.table.kernels[&python].runtime, PYTHON);
}

#[test]
fn a_visitor_counts_as_a_client() {
    let mut fleet = Fleet::new(settings());
    let gpu = fleet.join("a", 1, r#"{"runtime": "gpu"}"#);
    fleet.join("b", 2, "");
    assert_eq!(fleet.visit("b", r#"{"runtime": "gpu"}"#), Some(Decision::Forward(gpu.clone())));
    assert_ne!(fleet.join("c", 3, r#"{"runtime": "gpu"}"#), gpu, "it has its two clients");
    assert_eq!(
        fleet.visit("b", r#"{"runtime": "gpu"}"#),
        Some(Decision::Forward(gpu.clone())),
        "full, but its own"
    );
    let leaving = fleet.decide("a", RequestKind::Shutdown { restart: false }, "");
    assert_eq!(leaving, Decision::Detached(1));
}

#[test]
fn an_isolated_visit_is_nobody_elses_and_is_found_again() {
    let mut fleet = Fleet::new(settings());
    fleet.join("a", 1, "");
    let wish = r#"{"runtime": "lua", "isolated": true}"#;
    let alone = launched(fleet.visit("a", wish));
    assert_eq!(fleet.visit("a", wish), Some(Decision::Forward(alone.clone())));
    assert_ne!(fleet.join("b", 2, LUA_WISH), alone);
    let other = launched(fleet.visit("b", wish));
    assert_ne!(other, alone);
}

#[test]
fn whoever_leaves_for_good_leaves_what_it_visits_and_nobodys_kernel_stays() {
    let mut fleet = Fleet::new(settings());
    fleet.join("a", 1, "");
    let lua = launched(fleet.visit("a", LUA_WISH));
    let gpu = fleet.join("b", 2, r#"{"runtime": "gpu"}"#);
    fleet.visit("a", r#"{"runtime": "gpu"}"#);
    fleet.decide("a", RequestKind::Shutdown { restart: false }, "");
    assert_eq!(fleet.table.leave_visited(&client("a")), std::slice::from_ref(&lua));
    assert_eq!(fleet.table.kernels[&lua].state, KernelState::Stopping);
    assert_eq!(fleet.table.kernels[&gpu].state, KernelState::Ready);
}

#[test]
fn an_interrupt_and_an_answer_go_where_the_cell_runs() {
    let mut fleet = Fleet::new(settings());
    let own = fleet.join("a", 1, "");
    let lua = launched(fleet.visit("a", LUA_WISH));
    assert_eq!(fleet.decide("a", RequestKind::Interrupt, ""), Decision::Interrupt(own.clone()));
    fleet.track(&lua, "a", "1", "execute_request", 1);
    assert!(fleet.table.runs_cells(&client("a"), true));
    assert_eq!(fleet.decide("a", RequestKind::Interrupt, ""), Decision::Interrupt(lua.clone()));
    assert_eq!(fleet.decide("a", RequestKind::InputReply, ""), Decision::Unasked);
    fleet.table.input_asked(&lua, ("1", "a"), "question");
    assert_eq!(fleet.decide("a", RequestKind::InputReply, ""), Decision::Forward(lua.clone()));
    fleet.answered(&lua, "1", "a");
    assert!(!fleet.table.runs_cells(&client("a"), false));
    assert_eq!(fleet.decide("a", RequestKind::Interrupt, ""), Decision::Interrupt(own));
}

#[test]
fn an_answer_goes_to_the_kernel_whose_question_it_names() {
    let mut fleet = Fleet::new(settings());
    let own = fleet.join("a", 1, "");
    let lua = launched(fleet.visit("a", LUA_WISH));
    for (kernel, request) in [(&own, "1"), (&lua, "2")] {
        fleet.track(kernel, "a", request, "execute_request", 1);
        fleet.table.input_asked(kernel, (request, "a"), &format!("question {request}"));
    }
    assert_eq!(fleet.answer("a", "question 1"), Decision::Forward(own));
    assert_eq!(fleet.answer("a", ""), Decision::Forward(lua));
    assert_eq!(fleet.answer("a", ""), Decision::Unasked);
}

#[test]
fn a_visit_that_nothing_satisfies_changes_nothing() {
    let mut fleet = Fleet::new(settings());
    let own = fleet.join("a", 1, "");
    let refused = fleet.visit("a", r#"{"runtime": "julia"}"#);
    assert!(matches!(refused, Some(Decision::Refused(_))), "{refused:?}");
    assert!(matches!(fleet.move_client("a", r#"{"runtime": "julia"}"#, false), Some(Err(_))));
    assert_eq!(fleet.table.kernel_of(&client("a")), Some(&own));
    assert!(fleet.table.visited_by(&client("a")).is_empty());
}

#[test]
fn who_moves_has_the_other_kernel_and_still_visits_the_first() {
    let mut fleet = Fleet::new(settings());
    let first = fleet.join("a", 1, r#"{"group": "red"}"#);
    let second = moved_to(fleet.move_client("a", LUA_WISH, false));
    assert_eq!(fleet.table.kernel_of(&client("a")), Some(&second));
    assert_eq!(fleet.table.kernels[&second].group.as_deref(), Some("red"));
    assert_eq!(fleet.table.visited_by(&client("a")), std::slice::from_ref(&first));
    assert_eq!(fleet.move_client("a", LUA_WISH, false), Some(Ok(Moved::Stays(second.clone()))));
    assert_eq!(moved_to(fleet.move_client("a", r#"{"runtime": "python3"}"#, false)), first, "back");
    let third = moved_to(fleet.move_client("a", "", true));
    assert!(third != first && third != second, "a new one, like its own");
    assert_eq!(fleet.table.kernels[&third].runtime, PYTHON);
}

#[test]
fn who_has_moved_gets_the_same_kind_again_when_its_kernel_is_gone() {
    let mut fleet = Fleet::new(settings());
    fleet.join("a", 1, "");
    let lua = moved_to(fleet.move_client("a", LUA_WISH, false));
    fleet.table.remove_kernel(&lua);
    let decision = fleet.decide("a", RequestKind::KernelInfo, r#"{"runtime": "python3"}"#);
    let Decision::KnownInfo(again, Some(_)) = decision else { panic!("{decision:?}") };
    assert_eq!(fleet.table.kernels[&again].runtime, LUA);
}

#[test]
fn an_own_file_leads_nowhere_else_not_even_for_one_cell() {
    let mut fleet = Fleet::new(settings());
    let own = fleet.join("a", 1, "");
    let guest = client("own a");
    fleet.table.client_connected(&guest, process(1));
    let defaults = Requirements { kernel: Some(own.clone()), ..Requirements::default() };
    let request = Request {
        client: &guest,
        kind: RequestKind::Other,
        defaults: &defaults,
        leads_to: Some(&own),
        reserve: true,
        shell_session: None,
        answers: "",
    };
    let lua = Requirements::parse(LUA_WISH).unwrap();
    fleet.table.decide(&request, || Ok(None), || kernel(9), fleet.now);
    let visit = fleet.table.visit(&request, lua.clone(), || kernel(9), fleet.now);
    assert!(matches!(visit, Decision::Refused(_)), "{visit:?}");
    for to_a_new_one in [false, true] {
        assert!(
            fleet.table.move_client(&request, lua.clone(), to_a_new_one, || kernel(9), fleet.now).is_err()
        );
    }
    assert_eq!(fleet.table.kernel_of(&guest), Some(&own));
}

#[test]
fn what_comes_with_every_message_is_no_wish_of_a_cell() {
    let mut fleet = Fleet::new(settings());
    fleet.join("a", 1, LUA_WISH);
    assert!(!fleet.table.is_standing(&client("a"), LUA_WISH));
    fleet.table.stands_by(&client("a"), Some(LUA_WISH));
    fleet.table.stands_by(&client("a"), None);
    assert!(fleet.table.is_standing(&client("a"), LUA_WISH));
    assert!(!fleet.table.is_standing(&client("a"), r#"{"runtime": "python3"}"#));
}
