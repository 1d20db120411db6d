"""registry.py DIRECTORY: a registry on loopback with the npm packages (*.tgz) of a directory, for tests.
Prints its URL, then serves until it is killed."""

import base64
import hashlib
import http.server
import json
import pathlib
import sys
import tarfile
import urllib.parse

packages = {}
files = {}
for file in pathlib.Path(sys.argv[1]).glob("*.tgz"):
    with tarfile.open(file) as archive:
        manifest = json.load(archive.extractfile("package/package.json"))
    packages[manifest["name"]] = (manifest, file)
    files[file.name] = file


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = urllib.parse.unquote(self.path).lstrip("/")
        if path in files:
            return self.answer(200, files[path].read_bytes())
        if path not in packages:
            return self.answer(404, b"{}")
        manifest, file = packages[path]
        digest = base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
        manifest = dict(manifest, dist={"tarball": url + file.name, "integrity": "sha512-" + digest})
        version = manifest["version"]
        document = {"name": path, "dist-tags": {"latest": version}, "versions": {version: manifest}}
        self.answer(200, json.dumps(document).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
url = f"http://127.0.0.1:{server.server_port}/"
print(url, flush=True)
server.serve_forever()
