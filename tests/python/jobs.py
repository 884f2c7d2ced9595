"""Jobs and messages through the Python client library.

    jobs.py URL

There is a job template `upgrade`, somebody who runs jobs, and somebody who answers on the exchange `requests`.
"""
import sys
from urllib.parse import urlparse

from vnc_api.vnc_api import VncApi

from checks import same

SERVER = urlparse(sys.argv[1])
vnc = VncApi(api_server_host=SERVER.hostname, api_server_port=SERVER.port, auth_type="noauth")
started = vnc.execute_job(job_template_fq_name=["default-global-system-config", "upgrade"],
                          job_input={"from": "library"})
same("members of the answer", list(started), ["job_execution_id"])
same("answer of an abort", vnc.abort_job([started["job_execution_id"]]), {})
vnc.amqp_publish(exchange="requests", routing_key="ask", payload="published")
answer = vnc.amqp_request(exchange="requests", routing_key="ask", response_key="answer",
                          payload={"reply_key": "answer", "reply": {"a": [1, None]}})
same("the reply", answer, {"a": [1, None]})
