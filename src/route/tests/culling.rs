//! Which idle kernels are warned of their end, which are stopped, and which are kept.

use proptest::prelude::*;

use super::*;

const CULL_AFTER: Duration = Duration::from_secs(600);
const GRACE: Duration = Duration::from_secs(60);
/// The longest time between two looks in histories.
const LONGEST_INTERVAL: Duration = Duration::from_secs(200);
const BRIEFLY: Duration = Duration::from_secs(1);

/// Kernels of the default runtime and of lua are stopped after ten minutes, those of gpu never.
fn culling() -> Fleet {
    let mut settings = settings();
    for runtime in [PYTHON, LUA] {
        settings.runtimes[runtime].cull_after = Some(CULL_AFTER);
    }
    Fleet::new(settings)
}

impl Fleet {
    fn look(&mut self) -> Vec<Cull> {
        let culls = self.table.cull(|_| false, self.now);
        for cull in &culls {
            if let Cull::Stop { kernel, .. } = cull {
                self.table.release(kernel, self.now);
            }
        }
        culls
    }

    fn look_after(&mut self, time: Duration) -> Vec<Cull> {
        self.now += time;
        self.look()
    }
}

fn warn(number: usize) -> Cull {
    Cull::Warn { kernel: kernel(number), idle: CULL_AFTER, grace: GRACE }
}

fn stop(number: usize, idle: Duration) -> Cull {
    Cull::Stop { kernel: kernel(number), idle }
}

#[test]
fn an_idle_kernel_is_stopped_after_a_warning_to_those_who_are_connected() {
    let mut fleet = culling();
    fleet.join("a", 1, "");
    assert_eq!(fleet.look(), []);
    assert_eq!(fleet.look_after(CULL_AFTER - BRIEFLY), []);
    assert_eq!(fleet.look_after(BRIEFLY), [warn(0)]);
    assert_eq!(fleet.look_after(GRACE - BRIEFLY), [], "warned once");
    assert_eq!(fleet.look_after(BRIEFLY), [stop(0, CULL_AFTER + GRACE)]);
    assert_eq!(fleet.table.kernel_of(&client("a")), None);
    assert_eq!(fleet.look_after(CULL_AFTER), [], "it is being stopped");
    assert_eq!(fleet.decide("a", RequestKind::Other, ""), Decision::Launch(kernel(1), launch(PYTHON)));
}

#[test]
fn a_kernel_that_nobody_is_connected_to_is_stopped_without_a_warning() {
    let mut fleet = culling();
    fleet.join("a", 1, "");
    fleet.look();
    fleet.disconnect("a");
    assert_eq!(fleet.look_after(CULL_AFTER), [stop(0, CULL_AFTER)]);
}

#[test]
fn anything_in_the_grace_keeps_the_kernel() {
    for keep in [
        (|fleet| assert!(fleet.track(&kernel(0), "a", "1", "comm_msg", 1))) as fn(&mut Fleet),
        |fleet| {
            fleet.track(&kernel(0), "a", "1", "execute_request", 1);
            fleet.answered(&kernel(0), "1", "a");
        },
        |fleet| assert_eq!(fleet.join("b", 2, ""), kernel(0)),
        |fleet| assert_eq!(fleet.table.cull(|_| true, fleet.now), []),
    ] {
        let mut fleet = culling();
        fleet.join("a", 1, "");
        fleet.look();
        assert_eq!(fleet.look_after(CULL_AFTER), [warn(0)]);
        keep(&mut fleet);
        assert_eq!(fleet.look_after(GRACE), []);
        assert_eq!(fleet.look_after(CULL_AFTER), [warn(0)], "and its time begins anew");
    }
}

#[test]
fn a_running_cell_is_never_idle() {
    let mut fleet = culling();
    fleet.join("a", 1, "");
    fleet.track(&kernel(0), "a", "1", "execute_request", 1);
    for _ in 0..5 {
        assert_eq!(fleet.look_after(CULL_AFTER), [], "a reply is due");
    }
    fleet.answered(&kernel(0), "1", "a");
    for _ in 0..5 {
        fleet.now += CULL_AFTER;
        assert_eq!(fleet.table.cull(|_| true, fleet.now), [], "it says that it is busy");
    }
    assert_eq!(fleet.look(), []);
    assert_eq!(fleet.look_after(CULL_AFTER), [warn(0)]);
}

#[test]
fn kernels_in_reserve_and_such_as_are_not_up_are_kept() {
    let mut fleet = culling();
    fleet.table.launch(&kernel(0), PYTHON);
    fleet.table.kernel_is_ready(&kernel(0));
    fleet.launched = 1;
    let starting = fleet.join("a", 1, r#"{"runtime": "lua"}"#);
    fleet.table.kernel_is_down(&starting);
    fleet.look();
    assert_eq!(fleet.look_after(CULL_AFTER * 9), []);
}

#[test]
fn without_cull_after_kernels_stay_but_for_abandoned_isolated_ones() {
    let mut fleet = culling();
    fleet.join("a", 1, r#"{"runtime": "gpu"}"#);
    fleet.join("b", 2, r#"{"runtime": "gpu", "isolated": true}"#);
    fleet.look();
    assert_eq!(fleet.look_after(ABANDONED_AFTER), [], "its client is there");
    fleet.disconnect("a");
    fleet.disconnect("b");
    assert_eq!(fleet.look_after(ABANDONED_AFTER), [], "it may still linger");
    fleet.now += LINGER;
    assert_eq!(fleet.look(), [stop(1, ABANDONED_AFTER * 2 + LINGER)]);
}

#[test]
fn an_isolated_kernel_that_works_on_without_its_client_is_kept() {
    let mut fleet = culling();
    fleet.join("a", 1, r#"{"runtime": "gpu", "isolated": true}"#);
    fleet.track(&kernel(0), "a", "1", "execute_request", 1);
    fleet.disconnect("a");
    assert_eq!(fleet.look_after(ABANDONED_AFTER * 3), []);
    fleet.answered(&kernel(0), "1", "a");
    assert_eq!(fleet.look_after(LINGER), [], "its client has a day to fetch what it made");
    assert_eq!(fleet.look_after(ABANDONED_AFTER), [stop(0, ABANDONED_AFTER)]);
}

/// What may happen to a kernel between two looks.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Request,
    Reply,
    Output,
    Connect,
    Disconnect,
    Nothing,
}

proptest! {
    /// Against books that are kept separately: no kernel is stopped before its time, none in use without a warning a
    /// grace before, none while it owes a reply; and none that is idle stays much longer.
    #[test]
    fn kernels_are_culled_neither_too_early_nor_too_late_nor_unwarned(
        steps in prop::collection::vec((0..LONGEST_INTERVAL.as_secs(), prop::sample::select(vec![
            Happening::Request, Happening::Reply, Happening::Output, Happening::Connect, Happening::Disconnect,
            Happening::Nothing, Happening::Nothing, Happening::Nothing, Happening::Nothing, Happening::Nothing,
        ])), 1..80),
    ) {
        let mut fleet = culling();
        let id = fleet.join("a", 1, "");
        let (mut last, mut due, mut connected) = (fleet.now, 0_u32, true);
        let mut warned: Option<Instant> = None;
        for (seconds, happening) in steps {
            fleet.now += Duration::from_secs(seconds);
            let (mut speaks, mut happened) = (false, false);
            match happening {
                Happening::Request if due < 3 => {
                    prop_assert!(fleet.track(&id, "a", "1", "execute_request", 1));
                    due += 1;
                }
                Happening::Reply if due > 0 => {
                    prop_assert_eq!(fleet.answered(&id, "1", "a"), Some(1));
                    (due, happened) = (due - 1, true);
                }
                Happening::Output => speaks = true,
                Happening::Connect if !connected => { fleet.connect("a", process(1)); connected = true; }
                Happening::Disconnect if connected => { fleet.disconnect("a"); connected = false; }
                _ => {}
            }
            happened |= speaks || due > 0;
            if happened {
                (last, warned) = (fleet.now, None);
            }
            let culls = fleet.table.cull(|_| speaks, fleet.now);
            let idle = fleet.now - last;
            match &culls[..] {
                [] => {
                    let in_grace = warned.is_some_and(|at| fleet.now - at < GRACE);
                    prop_assert!(idle < CULL_AFTER + LONGEST_INTERVAL || in_grace);
                }
                [Cull::Warn { grace, .. }] => {
                    prop_assert!(connected && warned.is_none() && due == 0 && idle >= CULL_AFTER);
                    prop_assert_eq!(*grace, GRACE);
                    warned = Some(fleet.now);
                }
                [Cull::Stop { .. }] => {
                    prop_assert!(due == 0 && idle >= CULL_AFTER);
                    prop_assert!(!connected || warned.is_some_and(|at| fleet.now - at >= GRACE));
                    return Ok(());
                }
                more => prop_assert!(false, "{more:?}"),
            }
        }
    }
}
