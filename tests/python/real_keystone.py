"""Makes a Keystone in a directory, and serves it on a Unix socket: real_keystone.py DIRECTORY SOCKET URL PASSWORD

URL is what its catalog says of it. Nothing is written anywhere else. The programs that make it take seconds each only to load, so
they are forked from here. A directory in which it was made before is served as it is.
"""

import getpass
import grp
import os
import sys

SETTINGS = """
[DEFAULT]
use_stderr = true
default_log_levels = alembic=WARN
[database]
connection = sqlite:///{directory}/keystone.db
[identity]
password_hash_rounds = 4
[token]
allow_expired_window = 3600
provider = fernet
[fernet_tokens]
key_repository = {directory}/fernet
[fernet_receipts]
key_repository = {directory}/fernet
[credential]
key_repository = {directory}/credential
[oslo_policy]
enforce_scope = true
"""


def main():
    directory, socket, url, password = sys.argv[1:]
    settings = os.path.join(directory, "keystone.conf")
    if not os.path.exists(settings):
        with open(settings, "w", encoding="utf-8") as file:
            file.write(SETTINGS.format(directory=directory))
        make(settings, url, password)
    serve(directory, settings, socket)


def make(settings, url, password):
    from keystone.cmd import cli

    owner = ["--keystone-user", getpass.getuser(), "--keystone-group", grp.getgrgid(os.getgid()).gr_name]
    addresses = [word for of in ("admin", "public") for word in (f"--bootstrap-{of}-url", url)]
    bootstrap = ["bootstrap", "--bootstrap-password", password, "--bootstrap-region-id", "RegionOne", *addresses]
    for command in (["db_sync"], ["fernet_setup", *owner], ["credential_setup", *owner], bootstrap):
        child = os.fork()
        if child == 0:
            cli.main(argv=["keystone-manage", "--config-file", settings, *command])
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            sys.exit(f"keystone-manage {command[0]} failed")


def serve(directory, settings, socket):
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = directory
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = settings
    # Keystone reads the command line.
    sys.argv = ["keystone"]
    from gunicorn.app.base import BaseApplication
    from keystone.wsgi.api import application

    class Server(BaseApplication):
        def load_config(self):
            for name, value in {
                "bind": f"unix:{socket}",
                "worker_class": "gthread",
                "threads": 4,
                "worker_tmp_dir": directory,
                "control_socket_disable": True,
                # Keystone is loaded by then.
                "post_worker_init": lambda _: print("ready", flush=True),
            }.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self):
            return application

    Server().run()


main()
