"""A twisted-resp server as an application file, for those who prefer Python to options.

    twistd -ny resp.tac

The same options as `twistd resp` has; what else is to run in the process becomes a further child of `application`.
"""

from twisted.application.service import Application

from twisted_resp.tap import Options, makeService

options = Options()
options.parseOptions(["--port", "6379", "--interface", "127.0.0.1", "--dir", "."])

application = Application("twisted-resp")
makeService(options).setServiceParent(application)
