//! How replies find their askers, and what bounds the askers.

use super::*;

#[test]
fn a_reply_reaches_its_asker_once() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    assert!(fleet.track(&id, "a", "1", "execute_request", 7));
    assert_eq!(fleet.answered(&id, "2", "a"), None);
    assert_eq!(fleet.answered(&kernel(9), "1", "a"), None);
    assert_eq!(fleet.answered(&id, "1", "b"), None, "another session's");
    assert_eq!(fleet.answered(&id, "1", "a"), Some(7));
    assert_eq!(fleet.answered(&id, "1", "a"), None);
}

#[test]
fn one_msg_id_of_two_clients_is_told_apart_by_the_session() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    fleet.join("b", 2, "");
    fleet.track(&id, "a", "1", "execute_request", 7);
    fleet.track(&id, "b", "1", "execute_request", 8);
    assert_eq!(fleet.table.outstanding(&id), 2);
    assert_eq!(fleet.answered(&id, "1", "b"), Some(8));
    assert_eq!(fleet.answered(&id, "1", "a"), Some(7));
}

#[test]
fn a_kernel_that_leaves_the_session_out_answers_in_the_order_of_asking() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    fleet.join("b", 2, "");
    fleet.track(&id, "b", "1", "execute_request", 8);
    fleet.track(&id, "a", "1", "execute_request", 7);
    assert_eq!(fleet.answered(&id, "1", ""), Some(8));
    assert_eq!(fleet.answered(&id, "1", ""), Some(7));
}

#[test]
fn a_client_may_have_only_so_many_requests_in_flight() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    fleet.join("b", 2, "");
    for number in 0..3 {
        assert!(fleet.track(&id, "a", &number.to_string(), "execute_request", 7));
    }
    assert!(!fleet.track(&id, "a", "4", "execute_request", 7), "three are the most");
    assert!(fleet.track(&id, "b", "4", "execute_request", 8), "another client's share is its own");
    fleet.answered(&id, "1", "a");
    assert!(fleet.track(&id, "a", "4", "execute_request", 7));
    assert!(!fleet.track(&kernel(9), "b", "5", "execute_request", 8), "no such kernel");
}

#[test]
fn what_a_dead_kernel_owed_counts_no_more() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    for msg_id in ["1", "1", "2"] {
        fleet.track(&id, "a", msg_id, "execute_request", 7);
    }
    assert_eq!(fleet.table.kernel_is_down(&id).len(), 3);
    assert_eq!((fleet.table.outstanding(&id), fleet.table.kernel_is_down(&id).len()), (0, 0));
    assert!(fleet.track(&id, "a", "3", "execute_request", 7));
}

#[test]
fn a_comm_message_ends_when_the_kernel_is_done_with_it() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    fleet.track(&id, "a", "1", "comm_msg", 7);
    fleet.track(&id, "a", "2", "execute_request", 7);
    fleet.table.finished(&id, "1", "b");
    assert_eq!(fleet.table.outstanding(&id), 2, "another session's");
    fleet.table.finished(&id, "1", "a");
    fleet.table.finished(&id, "2", "a");
    assert_eq!(fleet.answered(&id, "2", "a"), Some(7), "the request still has its reply to come");
}

#[test]
fn a_request_that_its_kernel_is_done_with_blocks_nobody() {
    let mut fleet = Fleet::new(Settings { requests_in_flight: 1, ..settings() });
    let id = fleet.join("a", 1, "");
    for number in ["1", "2", "3"] {
        assert!(fleet.track(&id, "a", number, "odd_request", 7), "{number}");
        fleet.table.finished(&id, number, "a");
        fleet.table.finished(&id, number, "a");
        assert_eq!(fleet.table.outstanding(&id), 0);
    }
    assert_eq!(fleet.decide("a", RequestKind::KernelInfo, ""), Decision::Forward(id.clone()));
    assert_eq!(fleet.answered(&id, "2", "a"), Some(7), "its reply may come late");
    assert_eq!(fleet.table.kernel_is_down(&id).len(), 2);
    assert!(fleet.track(&id, "a", "4", "odd_request", 7) && !fleet.track(&id, "a", "5", "odd_request", 7));
}

#[test]
fn requests_that_are_done_and_never_answered_are_forgotten_some_day() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    for number in 0..1000 {
        fleet.track(&id, "a", &number.to_string(), "odd_request", 7);
        fleet.table.finished(&id, &number.to_string(), "a");
    }
    assert!(fleet.table.kernel_is_down(&id).len() < 300);
}

#[test]
fn each_of_two_answers_goes_to_a_question() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    for request in ["1", "2"] {
        fleet.track(&id, "a", request, "execute_request", 7);
        for question in ["first", "second"] {
            fleet.table.input_asked(&id, (request, "a"), &format!("{question} of {request}"));
        }
        // It is asked again where it did not reach its client.
        fleet.table.input_asked(&id, (request, "a"), &format!("first of {request}"));
    }
    for question in ["second of 1", "2", "", "unheard of"] {
        assert_eq!(fleet.answer("a", question), Decision::Forward(id.clone()), "{question}");
    }
    assert_eq!(fleet.answer("a", "second of 1"), Decision::Unasked);
}

#[test]
fn the_questions_of_a_request_end_with_it() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    for request in ["1", "2"] {
        fleet.track(&id, "a", request, "execute_request", 7);
        fleet.table.input_asked(&id, (request, "a"), "question");
    }
    fleet.table.input_asked(&id, ("1", "a"), "another");
    fleet.answered(&id, "1", "a");
    assert_eq!(fleet.answer("a", "another"), Decision::Forward(id.clone()), "the one of the other request");
    assert_eq!(fleet.answer("a", "another"), Decision::Unasked);
}

#[test]
fn input_comes_only_from_the_client_that_was_asked_and_once() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    fleet.join("b", 2, "");
    fleet.track(&id, "a", "1", "execute_request", 7);
    fleet.track(&id, "b", "2", "execute_request", 8);
    assert_eq!(fleet.decide("a", RequestKind::InputReply, ""), Decision::Unasked);
    assert_eq!(fleet.table.input_asked(&id, ("1", "b"), "question"), None);
    let asked = fleet.table.input_asked(&id, ("1", "a"), "question").map(|request| request.address);
    assert_eq!(asked, Some(7));
    assert_eq!(fleet.decide("b", RequestKind::InputReply, ""), Decision::Unasked);
    assert_eq!(fleet.decide("a", RequestKind::InputReply, ""), Decision::Forward(id.clone()));
    assert_eq!(fleet.decide("a", RequestKind::InputReply, ""), Decision::Unasked);
    fleet.table.input_asked(&id, ("1", "a"), "another");
    fleet.answered(&id, "1", "a");
    assert_eq!(fleet.decide("a", RequestKind::InputReply, ""), Decision::Unasked, "the cell is over");
}

#[test]
fn a_busy_kernel_does_not_delay_attaching() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    fleet.track(&id, "a", "1", "execute_request", 7);
    fleet.connect("b", process(2));
    let info = |fleet: &mut Fleet| fleet.decide("b", RequestKind::KernelInfo, "{}");
    assert_eq!(info(&mut fleet), Decision::KnownInfo(id.clone(), None), "it is or will be busy");
    fleet.answered(&id, "1", "a");
    assert_eq!(info(&mut fleet), Decision::Forward(id.clone()), "the cell is over");
    fleet.table.kernel_is_down(&id);
    assert_eq!(info(&mut fleet), Decision::KnownInfo(id, None), "it is being relaunched");
}

#[test]
fn behind_a_request_of_its_own_session_who_is_it_is_a_barrier() {
    let mut fleet = Fleet::new(settings());
    let id = fleet.join("a", 1, "");
    fleet.track(&id, "a", "1", "execute_request", 7);
    assert_eq!(fleet.decide("a", RequestKind::KernelInfo, ""), Decision::Forward(id.clone()));
    fleet.table.kernel_is_down(&id);
    fleet.track(&id, "a", "2", "execute_request", 7);
    assert_eq!(
        fleet.decide("a", RequestKind::KernelInfo, ""),
        Decision::Forward(id.clone()),
        "it waits with it"
    );
}

#[test]
fn messages_without_a_reply_take_no_room_from_requests() {
    let mut fleet = Fleet::new(Settings { requests_in_flight: 1, ..settings() });
    let id = fleet.join("a", 1, "");
    assert!(fleet.track(&id, "a", "1", "comm_msg", 1) && fleet.track(&id, "a", "2", "comm_msg", 2));
    assert!(fleet.track(&id, "a", "3", "execute_request", 3));
    assert!(!fleet.track(&id, "a", "4", "execute_request", 4));
    assert_eq!(fleet.table.outstanding(&id), 2, "the second comm message passes unremembered");
}

#[test]
fn the_load_of_a_kernel_is_its_requests_not_their_names() {
    let mut fleet = Fleet::new(settings());
    let first = fleet.join("a", 1, r#"{"runtime": "gpu"}"#);
    let second = fleet.join("b", 2, r#"{"runtime": "gpu", "isolated": true}"#);
    assert_ne!(first, second);
    for address in 0..3 {
        fleet.track(&first, "a", "same", "execute_request", address);
    }
    assert_eq!(fleet.table.outstanding(&first), 3);
}
