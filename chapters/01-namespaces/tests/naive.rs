//! The book's naive container: it is one, and it lacks what the book says it lacks. Run as a test,
//! this program starts itself again with a word in the environment, and is then the naive one.

#[path = "../examples/naive.rs"]
mod naive;

use testkit::{Output, RootDir, outer, random_token};

/// The word.
const BE_NAIVE: &str = "MINIDOCK_TEST_BE_NAIVE";

fn main() {
    if std::env::var_os(BE_NAIVE).is_some() {
        return naive::main();
    }
    // Ends here, with a named skip, where this account may not make namespaces.
    drop(testkit::chapter(1));
    let tests: [(&str, fn()); 5] = [
        ("it_is_a_container", it_is_a_container),
        ("its_exit_code_is_the_commands", its_exit_code_is_the_commands),
        ("a_descriptor_leads_out_of_it", a_descriptor_leads_out_of_it),
        ("the_environment_comes_along", the_environment_comes_along),
        ("it_survives_its_parent", it_survives_its_parent),
    ];
    for (name, test) in tests {
        test();
        println!("test naive::{name} ... ok");
    }
}

/// A script in which `$NAIVE` is this program, and `$1` a root with nothing in it but /probe.
fn script(script: &str, root: &RootDir) -> Output {
    let itself = std::env::current_exe().expect("a program knows where it is");
    outer(script).env("NAIVE", itself).env(BE_NAIVE, "1").arg(root.path()).run()
}

fn it_is_a_container() {
    let root = RootDir::new().directory("/proc");
    let secret = testkit::scratch();
    let file = secret.path().join("secret");
    std::fs::write(&file, random_token()).expect("a scratch directory can be written");
    let session = r#"hostname original
        "$NAIVE" "$1" /probe report
        "$NAIVE" "$1" /probe hostname pwned; hostname
        "$NAIVE" "$1" /probe escape SECRET || echo refused"#;
    let session = script(&session.replace("SECRET", &file.display().to_string()), &root);
    session.success().stdout_contains("pid=1\n").stdout_contains("\noriginal\nrefused\n");
}

fn its_exit_code_is_the_commands() {
    let root = RootDir::new().directory("/proc");
    script(r#""$NAIVE" "$1" /probe exit 42"#, &root).code(42);
    // The same code means that there was no command: nobody can tell the two apart.
    script(r#""$NAIVE" "$1" /gone"#, &root).code(1).stderr_contains("execve");
    script(r#""$NAIVE" "$1" /probe exit 1"#, &root).code(1);
}

fn a_descriptor_leads_out_of_it() {
    let root = RootDir::new().directory("/proc");
    let token = random_token();
    let session = format!(
        r#"outside=$(mktemp -d); echo {token} > $outside/secret
        "$NAIVE" "$1" /probe cat /proc/self/fd/3/secret 3< $outside; rm -r $outside"#
    );
    script(&session, &root).success().stdout(&format!("{token}\n"));
}

fn the_environment_comes_along() {
    let root = RootDir::new().directory("/proc");
    let token = random_token();
    let session = format!(r#"SECRET={token} "$NAIVE" "$1" /probe cat /proc/self/environ"#);
    script(&session, &root).success().stdout_contains(&format!("SECRET={token}"));
}

fn it_survives_its_parent() {
    let root = RootDir::new().directory("/proc");
    let session = r#""$NAIVE" "$1" /probe sleep 600 & parent=$!
        until grep -qsx probe /proc/[0-9]*/comm; do sleep 0.05; done
        kill -9 $parent; wait $parent || true
        grep -qsx probe /proc/[0-9]*/comm && echo alive"#;
    script(session, &root).success().stdout_contains("alive\n");
}
