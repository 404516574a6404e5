"""A web server as cameras and media servers are, for the tests: one path a behaviour.

web.py FOLDER PASSWORD [CERTIFICATE KEY]: prints "port N", then one line for each request:
method, path, the kind of its Authorization (none, Basic, Digest) and its Range.
The user is viewer; the password is in the file PASSWORD: arguments and environments
are searched for it. FOLDER has pictures (*.jpg) and files; what is written there
later is served as it is then.
"""

import base64
import glob
import hashlib
import hmac
import json
import os
import re
import ssl
import sys
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDER = sys.argv[1]
PASSWORD = open(sys.argv[2]).read()
NONCES = set()
COUNTS = {}


def pictures():
    return [open(name, "rb").read() for name in sorted(glob.glob(FOLDER + "/*.jpg"))]


def say(*words):
    """Writes a line. In one piece: print mixes what several threads say at once."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # Connections that wait to be taken; those above it must try again, a second later and more.
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Cameras are left all the time; that is no error."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        sent = self.headers.get("Authorization", "none")
        path, _, query = self.path.partition("?")
        say(self.command, path, sent.split(" ")[0], self.headers.get("Range", "-"))
        name, _, rest = urllib.parse.unquote(path).lstrip("/").partition("/")
        COUNTS[name] = COUNTS.get(name, 0) + 1
        answer = getattr(self, "answer_" + name.replace("-", "_"), None)
        if answer is None:
            self.plain(404)
        else:
            answer(rest, query)

    # ---- answers ----

    def plain(self, code, headers=(), body=b"words\n", kind="text/plain"):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def answer_status(self, rest, query):
        self.plain(int(rest))

    def answer_page(self, rest, query):
        self.plain(200, body=b"<html>a page</html>", kind="text/html")

    def answer_redirect(self, rest, query):
        self.plain(302, [("Location", query)])

    def answer_snapshot(self, rest, query):
        all_of_them = pictures()
        picture = all_of_them[COUNTS["snapshot"] % len(all_of_them)]
        self.plain(200, body=picture, kind="image/jpeg")

    def answer_spent(self, rest, query):
        """Five pictures, then pages and nothing by turns."""
        if COUNTS["spent"] <= 5:
            return self.plain(200, body=pictures()[0], kind="image/jpeg")
        if COUNTS["spent"] % 2:
            return self.plain(200, body=b"", kind="image/jpeg")
        return self.answer_page(rest, query)

    def answer_file(self, rest, query):
        try:
            body = open(os.path.join(FOLDER, rest), "rb").read()
        except FileNotFoundError:
            return self.plain(404)
        etag = '"%s"' % hashlib.sha256(body).hexdigest()[:16]
        if self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.send_header("ETag", etag)
            self.end_headers()
            return None
        kinds = {"m3u8": "application/vnd.apple.mpegurl", "ts": "video/mp2t", "mp4": "video/mp4"}
        kind = kinds.get(rest.rpartition(".")[2], "application/octet-stream")
        modified = self.date_time_string(os.stat(os.path.join(FOLDER, rest)).st_mtime)
        return self.plain(200, [("ETag", etag), ("Last-Modified", modified)], body, kind)

    def answer_late(self, rest, query):
        """A file from the fourth request on."""
        if COUNTS["late"] <= 3:
            return self.plain(503)
        return self.answer_file(rest, query)

    def answer_slow(self, rest, query):
        """A file over some seconds, without a length; the second half once the file "go" is in the folder."""
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        body = open(os.path.join(FOLDER, rest), "rb").read()
        for at in range(20):
            while at == 10 and not os.path.exists(os.path.join(FOLDER, "go")):
                time.sleep(0.02)
            self.wfile.write(body[len(body) * at // 20 : len(body) * (at + 1) // 20])
            time.sleep(0.15)

    def answer_cut(self, rest, query):
        """Half of a file on every odd request."""
        body = open(os.path.join(FOLDER, rest), "rb").read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if COUNTS["cut"] % 2 == 0 else body[: len(body) // 2])
        self.wfile.flush()
        self.close_connection = True

    def answer_endless(self, rest, query):
        """A file without a length, over and over, as fast as its bytes per second in the query."""
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        self.close_connection = True
        body = open(os.path.join(FOLDER, rest), "rb").read()
        step = int(query) // 50
        while True:
            for at in range(0, len(body), step):
                self.wfile.write(body[at : at + step])
                time.sleep(0.02)

    # ---- buckets ----

    def xml(self, code, word):
        self.plain(code, body=("<Error><Code>%s</Code></Error>" % word).encode(), kind="application/xml")

    def answer_s3(self, rest, query):
        """Objects of any bucket, for who signs with Signature Version 4."""
        if not self.signed_by("viewer", PASSWORD):
            return self.xml(403, "SignatureDoesNotMatch")
        name = rest.partition("/")[2]
        if not os.path.isfile(os.path.join(FOLDER, name)):
            return self.xml(404, "NoSuchKey")
        return self.answer_file(name, query)

    def signed_by(self, user, secret):
        found = re.match(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/s3/aws4_request, ?"
            r"SignedHeaders=([^,]+), ?Signature=(\w+)",
            self.headers.get("Authorization", ""),
        )
        if not found or found[1] != user:
            return False
        _, day, region, names, signature = found.groups()
        path, _, query = self.path.partition("?")
        lines = ["GET", path, query]
        lines += ["%s:%s" % (name, self.headers.get(name, "").strip()) for name in names.split(";")]
        lines += ["", names, self.headers.get("x-amz-content-sha256", "")]
        scope = "/".join([day, region, "s3", "aws4_request"])
        request = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256", self.headers.get("x-amz-date", ""), scope, request])
        key = ("AWS4" + secret).encode()
        for word in scope.split("/") + [text]:
            key = hmac.new(key, word.encode(), hashlib.sha256).digest()
        return hmac.compare_digest(key.hex(), signature)

    def answer_gs(self, rest, query):
        """Objects of any bucket, for who shows a token of the service account."""
        parts = self.headers.get("Authorization", "").partition("Bearer ")[2].split(".")
        if len(parts) != 3:
            return self.xml(401, "AuthenticationRequired")
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
        if claims.get("iss") != "cam@films.example":
            return self.xml(403, "AccessDenied")
        name = rest.partition("/")[2]
        if not os.path.isfile(os.path.join(FOLDER, name)):
            return self.xml(404, "NoSuchKey")
        return self.answer_file(name, query)

    # ---- multipart MJPEG ----

    def mjpeg(self, announced, boundary, headers, garbage=b"", stop_after=None):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace" + announced)
        self.end_headers()
        self.close_connection = True
        count = 0
        while True:
            for picture in pictures():
                if stop_after is not None and count >= stop_after:
                    time.sleep(60)
                lines = [boundary, "Content-Type: image/jpeg"] + [h % len(picture) for h in headers]
                self.wfile.write(garbage + ("\r\n".join(lines) + "\r\n\r\n").encode() + picture + b"\r\n")
                self.wfile.flush()
                count += 1
                time.sleep(0.05)

    def answer_mjpeg(self, rest, query):
        self.mjpeg("; boundary=frame", "--frame", ["Content-Length: %d"])

    def answer_mjpeg_odd(self, rest, query):
        self.mjpeg('; boundary="--my boundary"', "--my boundary", [], b"<!-- garbage -->\r\n")

    def answer_mjpeg_silent(self, rest, query):
        self.mjpeg("; boundary=frame", "--frame", ["Content-Length: %d"], stop_after=10)

    # ---- logins ----

    def login(self, challenge, good):
        if good(self.headers.get("Authorization", "")):
            self.answer_mjpeg("", "")
        else:
            self.plain(401, [("WWW-Authenticate", value) for value in challenge])

    def answer_basic(self, rest, query):
        both = base64.b64encode(("viewer:" + PASSWORD).encode()).decode()
        self.login(['Basic realm="cam, the \\"first\\""'], lambda sent: sent == "Basic " + both)

    def digest(self, name, function):
        nonce = hashlib.sha256(os.urandom(8)).hexdigest()
        NONCES.add(nonce)

        def md(text):
            return function(text.encode()).hexdigest()

        def good(sent):
            fields = dict(re.findall(r'(\w+)="?([^",]*)"?', sent.partition(" ")[2]))
            if fields.get("nonce") not in NONCES or fields.get("uri") != self.path:
                return False
            first = md("viewer:cam:" + PASSWORD)
            second = md("GET:" + self.path)
            parts = [first, fields["nonce"], fields["nc"], fields["cnonce"], "auth", second]
            return fields.get("response") == md(":".join(parts))

        first = 'Digest realm="cam", qop="auth", algorithm=%s, nonce="%s", opaque="x"' % (name, nonce)
        # An older one beside it in the same line, as RFC 7616 has it.
        self.login([first + ', Basic realm="cam"'], good)

    def answer_digest_md5(self, rest, query):
        self.digest("MD5", hashlib.md5)

    def answer_digest_sha256(self, rest, query):
        self.digest("SHA-256", hashlib.sha256)

    def answer_bearer(self, rest, query):
        self.plain(401, [("WWW-Authenticate", 'Bearer realm="cam"')])


server = Server(("127.0.0.1", 0), Handler)
scheme = "http"
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
say("port", server.server_address[1])
server.serve_forever()
