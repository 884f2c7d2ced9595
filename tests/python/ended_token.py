"""A token for a project as it would be had it ended a minute ago, by the keys of a Keystone: ended_token.py SETTINGS TOKEN"""
import datetime
import sys

import keystone.conf
from keystone.token.token_formatters import ProjectScopedPayload, TokenFormatter

settings, token = sys.argv[1:]
keystone.conf.configure()
keystone.conf.CONF(args=["--config-file", settings], project="keystone")
formatter = TokenFormatter()
user, methods, audit_ids, _, _, project, *_ = formatter.validate_token(token)
ended = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=1)
print(formatter.create_token(user, ended.strftime("%Y-%m-%dT%H:%M:%S.000000Z"), audit_ids, ProjectScopedPayload,
                             methods=methods, project_id=project))
