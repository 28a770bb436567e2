"""Environment over file over defaults; types by the setting; errors that name the variable."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from ostiary.proto.duration import parse_duration
from ostiary.seal import Secret
from ostiary.settings import Address, InvalidSetting, MissingSetting, UnknownSetting, load
from ostiary.settings.parse import whole_seconds


def test_defaults_need_nothing() -> None:
    settings = load({}, default_file=None)
    assert settings.data_dir == Path("data")
    assert settings.listen.http == Address("127.0.0.1", 9000)
    assert settings.listen.metrics == Address("127.0.0.1", 9300)
    assert settings.listen.trusted_proxy_cidrs == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert settings.postgresql is None
    assert settings.secret_key is None
    assert settings.hosts == ()
    assert settings.bootstrap.password is None
    assert settings.bootstrap.email == "root@example.com"
    assert settings.sessions.unauthenticated_age == 86_400_000_000
    assert settings.shown["listen.http"].source == "default"


def test_ostiary_wins_over_authentik_and_the_source_is_told() -> None:
    settings = load({"AUTHENTIK_COOKIE_DOMAIN": "a.example", "OSTIARY_COOKIE_DOMAIN": "o.example"}, default_file=None)
    assert settings.cookie_domain == "o.example"
    assert settings.shown["cookie_domain"].source == "environment OSTIARY_COOKIE_DOMAIN"
    settings = load({"AUTHENTIK_COOKIE_DOMAIN": "a.example"}, default_file=None)
    assert settings.cookie_domain == "a.example"
    assert settings.shown["cookie_domain"].source == "environment AUTHENTIK_COOKIE_DOMAIN"


@pytest.mark.parametrize("password", ["12345678", "true", "null", '["a"]', "1e5", " spaces stay ", '"quoted"'])
def test_a_password_is_a_text_whatever_it_looks_like(password: str) -> None:
    settings = load({"AUTHENTIK_BOOTSTRAP_PASSWORD": password}, default_file=None)
    # Authentik's variables for the first start have one underscore, since they are no nested setting there.
    assert settings.bootstrap.password == Secret(password)


def test_a_host_of_postgresql_chooses_postgresql_by_either_prefix() -> None:
    for prefix in ("OSTIARY", "AUTHENTIK"):
        environ = {f"{prefix}_POSTGRESQL__HOST": "db.example", "OSTIARY_SECRET_KEY": "k"}
        settings = load(environ, default_file=None)
        assert settings.postgresql is not None
        assert settings.postgresql.host == "db.example"
        assert settings.postgresql.sslmode is None
        assert settings.postgresql.port == 5432


def test_postgresql_without_a_secret_key_says_what_to_set() -> None:
    with pytest.raises(MissingSetting, match="OSTIARY_SECRET_KEY: expected a long random text"):
        load({"OSTIARY_POSTGRESQL__HOST": "db.example"}, default_file=None)


def test_the_password_of_postgresql_is_found_where_authentik_looks() -> None:
    environ = {"OSTIARY_POSTGRESQL__HOST": "db", "OSTIARY_SECRET_KEY": "k", "POSTGRES_PASSWORD": "p"}
    settings = load(environ, default_file=None)
    assert settings.postgresql is not None
    assert settings.postgresql.password == Secret("p")


def test_values_may_point_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    environ = {
        "OSTIARY_SECRET_KEY": f"file://{tmp_path}/key",
        "OSTIARY_BOOTSTRAP_TOKEN": "env://THE_TOKEN",
        "THE_TOKEN": "from elsewhere",
        "OSTIARY_COOKIE_DOMAIN": "env://NOT_THERE?example.org",
        "OSTIARY_LOG_LEVEL": f"file://{tmp_path}/nothing?debug",
    }
    settings = load(environ, default_file=None)
    assert settings.secret_key == Secret("from a file")
    assert settings.bootstrap.token == Secret("from elsewhere")
    assert settings.cookie_domain == "example.org"
    assert settings.log_level == "debug"


def test_a_pointer_to_nothing_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="OSTIARY_SECRET_KEY: expected the environment variable NOWHERE"):
        load({"OSTIARY_SECRET_KEY": "env://NOWHERE"}, default_file=None)
    with pytest.raises(InvalidSetting, match=r"OSTIARY_SECRET_KEY: expected the readable file .*No such file"):
        load({"OSTIARY_SECRET_KEY": f"file://{tmp_path}/nothing"}, default_file=None)


def test_unknown_names() -> None:
    with pytest.raises(
        UnknownSetting, match="OSTIARY_LISTEN__HTP: no such setting, the nearest is OSTIARY_LISTEN__HTTP"
    ):
        load({"OSTIARY_LISTEN__HTP": "x"}, default_file=None)
    # Installations pass variables of that prefix to !Env in their blueprints.
    load({"AUTHENTIK_GRAFANA_CLIENT_SECRET": "s", "AUTHENTIK_WORKER__THREADS": "4"}, default_file=None)


def test_redis_is_accepted_and_told() -> None:
    settings = load({"AUTHENTIK_REDIS__HOST": "redis"}, default_file=None)
    assert any("AUTHENTIK_REDIS__" in note and "not needed" in note for note in settings.notes)
    assert load({}, default_file=None).notes == ()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OSTIARY_LISTEN__HTTP", "9000", "expected host:port"),
        ("OSTIARY_LISTEN__HTTP", "::1:9000", "expected host:port"),
        ("OSTIARY_LISTEN__HTTP", "localhost:99999", "port up to 65535"),
        ("OSTIARY_LISTEN__TRUSTED_PROXY_CIDRS", "10.0.0.0/8,somewhere", "'somewhere' is none"),
        ("OSTIARY_WEB__PATH", "login", "starts and ends with a slash"),
        ("OSTIARY_WEB__PATH", "/a/../b/", "starts and ends with a slash"),
        ("OSTIARY_LOG_LEVEL", "loud", "expected one of trace, debug, info, warning, error"),
        ("OSTIARY_POSTGRESQL__PORT", "zero", "port number"),
        ("OSTIARY_SESSIONS__UNAUTHENTICATED_AGE", "a while", "expected a duration"),
        ("OSTIARY_SESSIONS__UNAUTHENTICATED_AGE", "days=-1", "above zero"),
        ("OSTIARY_HOSTS", "[1]", "expected a list of texts"),
        ("AUTHENTIK_POSTGRESQL__SSLMODE", "maybe", "verify-full"),
        ("OSTIARY_IMAGE_DIGEST", "sha256:12", "expected sha256: and 64"),
        ("OSTIARY_HOSTS", '["a.example", 7]', "expected a list of texts"),
        ("OSTIARY_HOSTS", '["a.example"', "expected a list of texts"),
        ("OSTIARY_HOSTS", "a.example,b example", "'b example' is none"),
        ("OSTIARY_EXPRESSIONS__WORKERS", "0", "expected a number from 1 to 64"),
        ("OSTIARY_EXPRESSIONS__WORKERS", "65", "expected a number from 1 to 64"),
        ("OSTIARY_EXPRESSIONS__WORKERS", "two", "expected a number from 1 to 64"),
        ("OSTIARY_EXPRESSIONS__TIME", "minutes=2", "expected a duration of at most seconds=60"),
        ("OSTIARY_EMAIL__USE_TLS", "perhaps", "expected true or false"),
    ],
)
def test_every_error_names_the_variable_the_expectation_and_the_value(name: str, value: str, expected: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        load({name: value, "OSTIARY_SECRET_KEY": "k"}, default_file=None)
    assert str(caught.value).startswith(f"{name}: ")
    assert expected in str(caught.value)
    assert repr(value) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":9000", Address("0.0.0.0", 9000)),
        ("[::1]:80", Address("::1", 80)),
        ("localhost:0", Address("localhost", 0)),
        ("0.0.0.0:9000", Address("0.0.0.0", 9000)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert load({"AUTHENTIK_LISTEN__HTTP": text}, default_file=None).listen.http == address


def test_an_address_prints_as_it_is_written() -> None:
    assert str(Address("::1", 80)) == "[::1]:80"
    assert str(Address("localhost", 80)) == "localhost:80"


@pytest.mark.parametrize("text", ["a.example,b.example", " a.example , b.example ", '["a.example", "b.example"]'])
def test_lists_are_written_either_way(text: str) -> None:
    assert load({"OSTIARY_HOSTS": text}, default_file=None).hosts == ("a.example", "b.example")


def test_an_empty_variable_counts_as_not_set() -> None:
    settings = load({"OSTIARY_LISTEN__HTTP": "", "AUTHENTIK_POSTGRESQL__HOST": ""}, default_file=None)
    assert settings.listen.http.port == 9000
    assert settings.postgresql is None


def test_the_file_lies_between_environment_and_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text(
        "listen:\n  http: 127.0.0.1:1\n  metrics: 127.0.0.1:2\nbootstrap:\n  password: 0123\nhosts: [a.example, b.example]\n"
    )
    settings = load({"OSTIARY_CONFIG": str(file), "OSTIARY_LISTEN__HTTP": "127.0.0.1:3"})
    assert settings.listen.http.port == 3
    assert settings.listen.metrics.port == 2
    assert settings.bootstrap.password == Secret("0123")
    assert settings.hosts == ("a.example", "b.example")
    assert settings.shown["listen.metrics"].source == f"file {file}"


def test_a_default_file_need_not_exist_but_a_named_one_must(tmp_path: Path) -> None:
    load({}, default_file=tmp_path / "nothing.yml")
    with pytest.raises(InvalidSetting, match="OSTIARY_CONFIG"):
        load({"OSTIARY_CONFIG": str(tmp_path / "nothing.yml")})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("listen: {htp: x}", "listen.htp in .*nearest is listen.http"),
        ("- a", "expected a mapping"),
        ("a: [", "expected YAML"),
        ("listen: {http: nowhere}", "listen.http in .*expected host:port"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "config.yml"
    file.write_text(text)
    with pytest.raises((InvalidSetting, UnknownSetting), match=message) as caught:
        load({"OSTIARY_CONFIG": str(file)})
    assert "\n" not in str(caught.value)


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text("# nothing yet\n")
    assert load({"OSTIARY_CONFIG": str(file)}).listen.http.port == 9000


def test_secrets_are_starred_wherever_settings_are_shown() -> None:
    environ = {"OSTIARY_SECRET_KEY": "hush-hush", "OSTIARY_BOOTSTRAP_PASSWORD": "psst-psst"}
    settings = load(environ, default_file=None)
    assert "hush" not in repr(settings)
    assert "psst" not in repr(settings)
    assert settings.shown["secret_key"].text == "********"
    assert settings.shown["bootstrap.token"].text == ""


def test_values_are_shown_as_one_would_write_them() -> None:
    shown = load({"OSTIARY_LISTEN__HTTPS": "off"}, default_file=None).shown
    assert shown["listen.https"].text == "off"
    assert shown["sessions.unauthenticated_age"].text == "days=1"
    assert shown["throttle.providers.oauth2.device"].text == "20/hour"
    longer = load({"OSTIARY_SESSIONS__UNAUTHENTICATED_AGE": "hours=36;seconds=0.5"}, default_file=None).shown
    text = longer["sessions.unauthenticated_age"].text
    assert text == "days=1;hours=12;milliseconds=500"
    assert parse_duration(text) == parse_duration("hours=36;seconds=0.5")


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("31536000", 31_536_000), ("315360000", 315_360_000)])
def test_seconds(text: str, seconds: int) -> None:
    assert whole_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1h", "315360001", "9" * 5000, "٣"])
def test_what_is_no_number_of_seconds(text: str) -> None:
    with pytest.raises(ValueError, match="expected a number of seconds"):
        whole_seconds(text)


@pytest.mark.parametrize(("word", "meant"), [("yes", True), ("ON", True), (" 1 ", True), ("No", False), ("off", False)])
def test_true_and_false_have_more_than_one_word(word: str, meant: bool) -> None:
    assert load({"AUTHENTIK_EMAIL__USE_TLS": word}, default_file=None).email.use_tls is meant


def test_a_connection_has_one_kind_of_tls() -> None:
    both = {"OSTIARY_EMAIL__USE_TLS": "true", "OSTIARY_EMAIL__USE_SSL": "true"}
    with pytest.raises(InvalidSetting, match="OSTIARY_EMAIL__USE_SSL: expected false beside OSTIARY_EMAIL__USE_TLS"):
        load(both, default_file=None)


def test_numbers_durations_and_digests_are_read() -> None:
    digest = "sha256:" + "0f" * 32
    environ = {"OSTIARY_EXPRESSIONS__WORKERS": "64", "OSTIARY_EXPRESSIONS__TIME": "seconds=60"}
    settings = load({**environ, "OSTIARY_IMAGE_DIGEST": digest, "OSTIARY_DATA_DIR": "/srv"}, default_file=None)
    assert (settings.expressions.workers, settings.expressions.time) == (64, 60_000_000)
    assert settings.image_digest == digest
    assert settings.database_file == Path("/srv/ostiary.db")


def test_what_points_to_an_empty_text_is_not_set(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "config.yaml").write_text(f"cookie_domain: file://{tmp_path}/empty\nlog_level: debug\n")
    settings = load(
        {
            "OSTIARY_CONFIG": str(tmp_path / "config.yaml"),
            "OSTIARY_COOKIE_DOMAIN": f"file://{tmp_path}/empty",
            "OSTIARY_LOG_LEVEL": "env://NOTHING?",
        },
        default_file=None,
    )
    assert settings.cookie_domain == load({}, default_file=None).cookie_domain
    assert settings.shown["cookie_domain"].source == "default"
    assert settings.shown["log_level"].source.startswith("file ")
