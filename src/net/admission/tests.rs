use super::*;

fn admission() -> Admission {
    Admission::new(&Limits {
        unauthenticated_connections: 3,
        unauthenticated_connections_per_origin: 2,
        vouched_connections: 4,
        unauthenticated_bytes: 100,
        unauthenticated_bytes_per_origin: 50,
        ..Limits::default()
    })
}

fn process(pid: i32) -> Origin {
    Origin::Process { uid: 7, pid }
}

/// As many silent connections of this origin as are let in.
fn fill(admission: &Admission, origin: &Origin) -> Vec<Ticket> {
    let enter = || {
        let mut ticket = admission.enter().ok()?;
        ticket.belongs_to(origin).ok()?;
        Some(ticket)
    };
    std::iter::from_fn(enter).take(100).collect()
}

fn authenticated(admission: &Admission, origin: &Origin) -> Voucher {
    let mut ticket = admission.enter().unwrap();
    ticket.belongs_to(origin).unwrap();
    ticket.authenticate().unwrap()
}

#[test]
fn places_are_bounded_and_given_back() {
    let admission = admission();
    let tickets: Vec<_> = (0..3).map(|_| admission.enter().unwrap()).collect();
    assert_eq!(admission.enter().unwrap_err(), Refused::TooMany(3));
    drop(tickets);
    assert!(admission.enter().is_ok());
}

#[test]
fn one_origin_cannot_take_all_places() {
    let admission = admission();
    let mut tickets: Vec<_> = (0..3).map(|_| admission.enter().unwrap()).collect();
    assert!(tickets[0].belongs_to(&process(1)).is_ok());
    assert!(tickets[1].belongs_to(&process(2)).is_ok());
    assert_eq!(tickets[2].belongs_to(&process(3)), Err(Refused::TooManyOfOrigin(2)));
    assert!(tickets[2].belongs_to(&Origin::User { uid: 8 }).is_ok());
    tickets.remove(0);
    assert!(admission.enter().unwrap().belongs_to(&process(4)).is_ok());
}

#[test]
fn an_authenticated_connection_vouches_for_its_process_alone() {
    let admission = admission();
    let one = authenticated(&admission, &process(1));
    let _another = authenticated(&admission, &process(1));
    let silent = fill(&admission, &process(1));
    assert_eq!(silent.len(), 2 * 4 + 2, "what is vouched for, and the user's share of strangers");
    assert_eq!(fill(&admission, &process(2)).len(), 0, "that share is its user's");
    drop(silent);
    assert_eq!(fill(&admission, &process(2)).len(), 2);
    drop(one);
    assert_eq!(fill(&admission, &process(1)).len(), 4 + 2);
}

#[test]
fn who_comes_before_the_client_has_authenticated_itself_is_a_stranger_until_then() {
    let admission = admission();
    let early = fill(&admission, &process(1));
    assert_eq!(early.len(), 2);
    let mut early = early.into_iter();
    let _voucher = early.next().unwrap().authenticate().unwrap();
    let late = fill(&admission, &process(1));
    assert_eq!(early.len() + late.len(), 4 + 2);
}

#[test]
fn what_was_vouched_for_is_in_the_way_of_others_when_nobody_vouches_any_more() {
    let admission = admission();
    let voucher = authenticated(&admission, &process(1));
    let mut silent = fill(&admission, &process(1));
    silent.truncate(4);
    assert_eq!(fill(&admission, &process(2)).len(), 2);
    drop(voucher);
    assert_eq!(fill(&admission, &process(2)).len(), 0);
    assert_eq!(admission.enter().unwrap_err(), Refused::TooMany(3));
    silent.truncate(1);
    assert_eq!(fill(&admission, &process(2)).len(), 1);
    drop(silent);
    let ledger = format!("{:?}", admission.0.lock());
    assert!(ledger.starts_with("Ledger { strangers: 0, bytes: 0, owners: {}, origins: {}"), "{ledger}");
}

#[test]
fn where_nothing_is_known_nobody_vouches() {
    let admission = admission();
    let _voucher = authenticated(&admission, &Origin::Unknown);
    assert_eq!(fill(&admission, &Origin::Unknown).len(), 2);
    assert!(admission.enter().unwrap().authenticate().is_none());
}

#[test]
fn bytes_are_bounded_over_all_and_given_back() {
    let admission = admission();
    let (mut one, mut two) = (admission.enter().unwrap(), admission.enter().unwrap());
    assert!(one.holds(60).is_ok());
    assert!(two.holds(40).is_ok());
    assert_eq!(two.holds(41), Err(Refused::TooManyBytes(100)));
    assert!(two.holds(10).is_ok(), "giving back is always allowed");
    drop(one);
    assert!(two.holds(100).is_ok());
}

#[test]
fn one_origin_cannot_take_all_bytes() {
    let admission = admission();
    let user = Origin::User { uid: 7 };
    // Vouched for or not, bytes count.
    let _voucher = authenticated(&admission, &user);
    let (mut one, mut two) = (admission.enter().unwrap(), admission.enter().unwrap());
    assert!(one.belongs_to(&user).is_ok() && two.belongs_to(&user).is_ok());
    assert!(one.holds(30).is_ok());
    assert_eq!(two.holds(21), Err(Refused::TooManyBytesOfOrigin(50)));
    drop(one);
    assert!(two.holds(50).is_ok());
}
