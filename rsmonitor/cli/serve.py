"""The web service, from the command line."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsmonitor.errors import EXIT_DONE, SourceUnreachableError

if TYPE_CHECKING:
    from rsmonitor.web.binding import Binding


def serve(  # noqa: PLR0913, PLR0917 - one for each option
    configs: Annotated[
        list[Path], typer.Argument(help="Settings, one TOML file or more.")
    ],
    host: Annotated[
        str, typer.Option(help="Address of this machine to listen at.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8000,
    public_url: Annotated[
        str,
        typer.Option(help="What people type, such as https://alerts.example."),
    ] = "",
    certificate: Annotated[
        Path | None, typer.Option(help="Chain of certificates (PEM), for TLS.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Private key (PEM) of the certificate.")
    ] = None,
    behind_proxy: Annotated[
        bool,
        typer.Option(
            "--behind-proxy", help="A proxy speaks TLS and passes requests on."
        ),
    ] = False,
    proxy: Annotated[
        list[str] | None,
        typer.Option(help="Address or network of the proxy; default: 127.0.0.1."),
    ] = None,
    keep_access_days: Annotated[
        int,
        typer.Option(
            min=183, help="Days after which entries of the access log are removed."
        ),
    ] = 730,
) -> int:
    """
    Serve the map, the lists and the interface for other programs.

    It listens on this machine alone, unless there is TLS: its own (--certificate,
    --key) or a proxy's (--behind-proxy). The first start makes the account admin and
    shows its password once, on the terminal only. Accounts and the access log lie in
    the folder web of the work folder of the first settings. Logs are lines of JSON on
    stderr. SIGTERM or Ctrl-C ends it after what is being answered. Needs
    rsmonitor[web]; docs/service.md says how to put it before an office.

    Exit codes: 0 ended; 2 usage; 3 bad input; 4 the port is taken; 5 a package is
    missing.

    Example: rsmonitor serve configs/demo.toml --port 8080
    """
    _require_packages()
    from rsmonitor.io.foundation.logs import logged_to
    from rsmonitor.web.binding import listen
    from rsmonitor.web.serving import open_service
    from rsmonitor.web.serving import serve as keep_serving

    binding = _binding(
        host=host,
        port=port,
        public_url=public_url,
        certificate=certificate,
        key=key,
        behind_proxy=behind_proxy,
        proxies=tuple(proxy or ("127.0.0.1",)),
    )
    with listen(binding) as taken:
        service = open_service(configs, binding, taken.getsockname()[1])
        _say_first_password(service.accounts.ensure_administrator(), configs[0])
        with logged_to(sys.stderr):
            keep_serving(
                service,
                binding,
                taken,
                ready=lambda: typer.echo(
                    f"rsmonitor serves at {service.public_url} (Ctrl-C ends it)"
                ),
                kept=timedelta(days=keep_access_days),
            )
    return EXIT_DONE


def _require_packages() -> None:
    """Say which package is missing, and how it comes."""
    try:
        import argon2  # noqa: F401
        import fastapi  # noqa: F401
        import jinja2  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise SourceUnreachableError(
            f'the service needs {error.name}: pip install "rsmonitor[web]"'
        ) from error


def _binding(**said: Any) -> "Binding":  # noqa: ANN401 - one for each option
    """Make a binding of the options, or complain as the command line does."""
    from rsmonitor.errors import SettingsError
    from rsmonitor.web.binding import Binding

    try:
        return Binding(**said)
    except SettingsError as error:
        raise typer.BadParameter(str(error)) from error


def _say_first_password(password: str | None, config: Path) -> None:
    """Show the first password where a person reads it, and nowhere that is kept."""
    if password is None:
        return
    if sys.stdout.isatty():
        typer.echo(
            f"账号 account: admin\n密码 password: {password}\n"
            "只显示这一次，请登录后修改。Shown this once; change it after the login."
        )
    else:
        # what is no terminal may be a log
        typer.echo(
            "an account admin was made; 'rsmonitor accounts password "
            f"{config} admin' gives it a password that you see",
            err=True,
        )
