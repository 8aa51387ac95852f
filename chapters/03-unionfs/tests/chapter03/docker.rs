//! What docker was asked, one command after the other, and what it answered (docker 28): ours says the same, where it is
//! about standard output, exit codes, and the words of a failure.

use testkit::{fresh_root, random_token};

use crate::minidock;

/// A step: what is typed, the exit code, standard output, and what standard error has in it.
type Step = (&'static str, i32, &'static str, &'static str);

/// What stands for an id, as it differs each time.
const ID: &str = "‹id›";

/// In a store of their own. `%` in a step is a token that no group of another test is named after.
fn say_the_same(steps: &[Step]) {
    let state = fresh_root();
    let token = random_token();
    minidock(state.path(), "run --rm lab true").run().success();
    let mut ids: Vec<String> = Vec::new();
    for (words, code, out, error) in steps {
        let with_token = |text: &str| text.replace('%', &token);
        let script = with_token(words).replace("docker ", "\"$@\" ");
        let program = minidock(state.path(), "").within(&script);
        let ended = program.run();
        ended.code(*code);
        let text = ended.text();
        let is_id = |line: &&str| line.len() == 64 && line.bytes().all(|b| b.is_ascii_hexdigit());
        ids.extend(text.lines().filter(is_id).map(String::from));
        let shown = |text: String| ids.iter().fold(text, |text, id| text.replace(id.as_str(), ID));
        assert_eq!(shown(text), with_token(out), "{words}");
        let said = shown(ended.errors());
        assert!(said.contains(&with_token(error)), "{words}: {said}");
    }
}

#[test]
fn of_one_that_is_started_looked_into_and_ended() {
    say_the_same(&[
        ("docker run --name a% lab sh -c 'echo out; echo err >&2; exit 3'", 3, "out\n", "err\n"),
        ("docker logs a%", 0, "out\n", "err\n"),
        ("echo data | docker run -i --rm lab cat", 0, "data\n", ""),
        (
            "docker run -d --name web% -h webhost -e FOO=bar -l k=v --restart unless-stopped -w /var \
             -u 0:0 --read-only --ulimit nofile=100:200 --init lab sh -c 'while :; do echo tick; \
             sleep 1; done'",
            0,
            "‹id›\n",
            "",
        ),
        ("docker ps -a -q -f status=exited -f name=x% -n 3", 0, "", ""),
        ("docker inspect nosuch", 1, "[]\n", "No such object: nosuch"),
        ("docker exec web% sh -c 'echo e1; echo e2 >&2; exit 7'", 7, "e1\n", "e2\n"),
        ("docker exec -d -e A=1 -w /tmp -u 1000 web% sleep 1", 0, "", ""),
        ("echo zzz | docker exec -i web% cat", 0, "zzz\n", ""),
        (
            "docker exec web% nosuchcmd",
            127,
            "",
            "exec: \"nosuchcmd\": executable file not found in $PATH",
        ),
        ("docker rename web% web2%", 0, "", ""),
        ("docker update --restart no web2%", 0, "web2%\n", ""),
        ("docker kill -s HUP web2%", 0, "web2%\n", ""),
        ("docker restart -t 1 web2%", 0, "web2%\n", ""),
        ("docker stop -t 1 web2%", 0, "web2%\n", ""),
        ("docker start web2%", 0, "web2%\n", ""),
        ("docker kill web2%", 0, "web2%\n", ""),
        ("docker wait web2%", 0, "137\n", ""),
        ("docker exec web2% true", 1, "", "container ‹id› is not running"),
        ("docker kill web2%", 1, "", "cannot kill container: web2%: container ‹id› is not running"),
        ("docker stop web2%", 0, "web2%\n", ""),
        ("docker rm web2%", 0, "web2%\n", ""),
        ("docker rm a%", 0, "a%\n", ""),
    ]);
}

#[test]
fn of_making_copying_and_removing() {
    say_the_same(&[
        ("docker create --name c1% lab sh -c 'echo x > /f'", 0, "‹id›\n", ""),
        ("docker start c1%", 0, "c1%\n", ""),
        ("docker wait c1%", 0, "0\n", ""),
        ("docker cp c1%:/etc/group - | tar t", 0, "group\n", ""),
        ("docker cp c1%:/nosuch /tmp", 1, "", "Could not find the file /nosuch in container c1%"),
        ("docker diff c1%", 0, "A /f\n", ""),
        ("docker run -d --name r1% lab sleep 100", 0, "‹id›\n", ""),
        (
            "docker rm r1%",
            1,
            "",
            "cannot remove container \"r1%\": container is running: stop the container before \
             removing or force remove",
        ),
        ("docker rm -fv r1%", 0, "r1%\n", ""),
        ("docker rm nosuch", 1, "", "No such container: nosuch"),
        ("docker run -d --name at% lab sh -c 'sleep 1; echo late; exit 6'", 0, "‹id›\n", ""),
        ("docker attach at%", 6, "late\n", ""),
        ("docker logs --since 0 --until 1s -n 1 at%", 0, "", ""),
        ("docker create --name gone% lab nosuchbin", 0, "‹id›\n", ""),
        ("docker start gone%", 1, "", "exec: \"nosuchbin\": executable file not found in $PATH"),
        (
            "docker run --rm lab nosuchbin",
            127,
            "",
            "exec: \"nosuchbin\": executable file not found in $PATH",
        ),
        ("docker create --name dup% lab", 0, "‹id›\n", ""),
        (
            "docker create --name dup% lab",
            1,
            "",
            "Conflict. The container name \"/dup%\" is already in use by container \"‹id›\". You have \
             to remove (or rename) that container to be able to reuse that name.",
        ),
        (
            "docker run --name sp% lab sh -c 'trap \"echo got; exit 9\" TERM; while :; do sleep .1; \
             done' & sleep 1.5; kill -TERM $!; wait $!",
            9,
            "got\n",
            "",
        ),
        ("docker run -d --rm --name drm% lab true", 0, "‹id›\n", ""),
        ("until ! docker inspect drm% > /dev/null 2>&1; do sleep .1; done", 0, "", ""),
        ("docker rm c1% at% gone% dup% sp%", 0, "c1%\nat%\ngone%\ndup%\nsp%\n", ""),
    ]);
}
