//! What a person reads when no kernel can serve.

use super::*;

fn refusal(fleet: &mut Fleet, wish: &str) -> String {
    fleet.connect("asker", process(99));
    match fleet.decide("asker", RequestKind::Other, wish) {
        Decision::Refused(refusal) => refusal.to_string(),
        other => panic!("{wish} is served: {other:?}"),
    }
}

fn refused_with(wish: &str, parts: &[&str]) {
    let text = refusal(&mut Fleet::new(settings()), wish);
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
}

#[test]
fn a_refusal_says_what_was_asked_what_is_missing_and_what_exists() {
    refused_with(
        r#"{"runtime": "lua", "debug": true}"#,
        &[
            "runtime=lua debug=true",
            "runtime lua has no debugger",
            "python3 (python), lua (lua), gpu (python)",
        ],
    );
    refused_with(r#"{"runtime": "julia"}"#, &["runtime=julia", "there is no runtime julia", "lua (lua)"]);
    refused_with(r#"{"kernel": "k7"}"#, &["kernel=k7", "there is no kernel k7", "lua (lua)"]);
}

#[test]
fn a_kernelspec_that_was_skipped_is_named_with_its_reason() {
    refused_with(
        r#"{"runtime": "Broken One"}"#,
        &["there is no runtime Broken One (skipped: no argv)", "python3 (python)"],
    );
}

#[test]
fn a_language_that_no_kernelspec_names_is_learnt_from_a_kernel() {
    let mut settings = settings();
    settings.runtimes[PYTHON].language.clear();
    let mut fleet = Fleet::new(settings);
    let wish = r#"{"runtime": "python3", "language": "python"}"#;
    let text = refusal(&mut fleet, wish);
    assert!(text.contains("runtime python3 does not say which language it speaks"), "{text}");
    assert!(text.contains("Runtimes here: python3, lua (lua)"), "{text}");

    let earlier = fleet.join("a", 1, r#"{"runtime": "python3"}"#);
    fleet.table.learn_language(PYTHON, "python");
    assert_eq!(fleet.join("b", 2, wish), earlier);
    fleet.table.learn_language(PYTHON, "ruby");
    assert_eq!(fleet.join("c", 3, wish), earlier, "only what is missing is learnt");
}

#[test]
fn each_thing_that_is_missing_is_named() {
    refused_with(
        r#"{"providers": ["openai", "x"]}"#,
        &["python3 lacks the providers openai, x", "lua lacks the provider x"],
    );
    refused_with(r#"{"runtime": "gpu", "labels": ["gpu", "big"]}"#, &["runtime gpu lacks the label big."]);
    refused_with(
        r#"{"runtime": "python3", "memory_limit": "2G"}"#,
        &["is limited to 1G of memory. Ask for less, or set memory_limit = \"2G\" for runtime python3"],
    );
    refused_with(
        r#"{"language": "r"}"#,
        &["python3 speaks python; lua speaks lua; gpu speaks python", "language=r"],
    );
    refused_with(r#"{"runtime": "lua", "language": "python"}"#, &["runtime lua speaks lua"]);
}

#[test]
fn a_kernel_that_was_named_says_itself_what_it_lacks() {
    let mut fleet = Fleet::new(settings());
    fleet.join("a", 1, r#"{"runtime": "gpu", "group": "team-a"}"#);
    fleet.join("b", 2, r#"{"kernel": "k0"}"#);
    fleet.join("c", 3, r#"{"runtime": "lua", "isolated": true}"#);
    let other_runtime = refusal(&mut fleet, r#"{"kernel": "k0", "runtime": "lua"}"#);
    assert!(other_runtime.contains("kernel k0 is not runtime lua"), "{other_runtime}");
    let other_group = refusal(&mut fleet, r#"{"kernel": "k0", "group": "team-b"}"#);
    assert!(other_group.contains("belongs to the group team-a"), "{other_group}");
    let full = refusal(&mut fleet, r#"{"kernel": "k0"}"#);
    assert!(full.contains("kernel k0 already has its 2 clients"), "{full}");
    fleet.disconnect("b");
    fleet.now += 2 * LINGER;
    let unlimited = refusal(&mut fleet, r#"{"kernel": "k0", "memory_limit": "1G"}"#);
    assert!(unlimited.contains("kernel k0 has no enforced memory limit. Leave out kernel"), "{unlimited}");
    let taken = refusal(&mut fleet, r#"{"kernel": "k1"}"#);
    assert!(taken.contains("kernel k1 is another client's"), "{taken}");
}

#[test]
fn what_is_said_of_the_default_runtime_is_not_put_into_the_askers_mouth() {
    let text = refusal(&mut Fleet::new(settings()), r#"{"memory_limit": "2G"}"#);
    assert!(text.contains("(memory_limit=2G): runtime python3 is limited to 1G of memory."), "{text}");
}

#[test]
fn a_refused_client_is_bound_to_nothing_and_may_ask_again() {
    let mut fleet = Fleet::new(settings());
    refusal(&mut fleet, r#"{"runtime": "julia"}"#);
    assert_eq!(fleet.table.kernel_of(&client("asker")), None);
    assert_eq!(fleet.decide("asker", RequestKind::Other, ""), Decision::Launch(kernel(0), launch(PYTHON)));
}
