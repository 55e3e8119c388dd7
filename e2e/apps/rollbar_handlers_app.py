"""pyrollbar by one of its handlers: an error and a message, sent as that handler sends."""

import asyncio
import json
import os
import sys
import time

import rollbar

handler, run = sys.argv[1], os.environ["E2E_SERVICE"]
rollbar.init("0" * 32, environment=run, endpoint=os.environ["ROLLBAR_ENDPOINT"], handler=handler, code_version="1.2.3")


def send():
    try:
        {}[handler]
    except KeyError:
        rollbar.report_exc_info()
    rollbar.report_message(f"by way of {handler}", "warning")


async def send_and_wait():
    send()
    await asyncio.sleep(2)


if handler == "twisted":
    from twisted.internet import reactor

    reactor.callWhenRunning(send)
    reactor.callLater(3, reactor.stop)
    reactor.run()
elif handler in ("async", "httpx"):
    asyncio.run(send_and_wait())
else:
    send()
    rollbar.wait()
    time.sleep(0 if handler == "blocking" else 2)
print(json.dumps({"handler": handler}))
