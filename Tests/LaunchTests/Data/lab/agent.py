"""Runs commands for another host: what an ssh server does, in a guest that has none.

  agent.py PORT LOG    a connection brings one line for bash; its exit code is sent back. When the
                       connection ends first, the command is killed. `end` ends the agent.
"""

import socketserver
import subprocess
import sys
import threading

log = open(sys.argv[2], "ab", buffering=0)


class Command(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline().decode().strip()
        if line == "end":
            threading.Thread(target=self.server.shutdown).start()
            return
        process = subprocess.Popen(
            ["bash", "-c", line], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )

        def kill_at_the_end():
            self.rfile.read()
            process.kill()

        threading.Thread(target=kill_at_the_end, daemon=True).start()
        code = process.wait()
        try:
            self.wfile.write(b"%d\n" % (code if code >= 0 else 128 - code))
        except OSError:
            pass  # nobody waits for it any more


class Agent(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Agent(("", int(sys.argv[1])), Command).serve_forever()
