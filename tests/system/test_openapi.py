"""docs/openapi.yaml is what the server does: each path answers as described, with exactly the fields
that are described, and methods that are not described are refused."""

import contextlib
import os
import pathlib

import yaml

from accounts import free_port
from cencd import Modem, connect, imei_of, wait_until
from test_admin import Admin as _Admin

DESCRIBED = yaml.safe_load((pathlib.Path(os.environ["CENCD_SOURCE"]) /
                            "docs/openapi.yaml").read_text())
METHODS = ("get", "post", "patch", "put", "delete")
TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
BODIES = {
    ("post", "/projects"): {"name": "p2"},
    ("patch", "/projects/{name}"): {"note": "x"},
    ("post", "/groups"): {"project": "p1", "name": "g2"},
    ("patch", "/groups/{project}/{name}"): {"note": "x"},
    ("post", "/agents"): {"name": "a2", "password": "geheim", "groups":
                          [{"project": "p1", "name": "g1"}], "projects": ["p1"],
                          "sources": ["10.0.0.0/8"], "expires": "2100-01-01T00:00:00Z",
                          "enabled": True, "extended": False, "max_sessions": 3, "note": "x",
                          "priority": "person"},
    ("patch", "/agents/{name}"): {"note": "x"},
    ("post", "/channels"): {"name": "c2", "host": "10.0.0.1", "port": 502, "exclusive": True,
                            "enabled": False, "project": "p1", "note": "x"},
    ("patch", "/channels/{name}"): {"note": "x"},
    ("post", "/devices"): {"serial": "77", "scope": "default", "project": "p1", "group": "g1",
                           "channel": "c1"},
    ("post", "/tokens"): {"name": "t2", "role": "viewer", "sources": ["10.0.0.0/8"], "note": "x",
                          "expires": "2100-01-01T00:00:00Z", "enabled": True},
    ("patch", "/tokens/{name}"): {"role": "operator"},
    ("post", "/devices"): {"serial": "77", "scope": "default", "project": "p1", "group": "g1"},
    ("patch", "/devices/{scope}/{serial}"): {"project": "p1"},
    ("put", "/bindings/{listener}"): {"project": "p1", "move": False},
    ("patch", "/listeners/{listener}"): {"running": True, "close_links": False},
    ("post", "/import"): b"serial,project\n78,p1\n",
}
QUERIES = {("post", "/import"): "?format=csv&dry_run=true",
           ("get", "/export"): "?format=cehes&project=p1"}


def look_up(node):
    while isinstance(node, dict) and "$ref" in node:
        found = DESCRIBED
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


class OpenApi(_Admin):
    def check(self, value, schema, where):
        schema = look_up(schema)
        if value is None:
            self.assertTrue(schema.get("nullable"), f"{where} is null")
            return
        self.assertIsInstance(value, TYPES[schema["type"]], where)
        self.assertIn(value, schema.get("enum", [value]), where)
        if schema["type"] == "object" and "properties" in schema:
            self.assertEqual(set(value), set(schema["properties"]), where)
            for name, field in schema["properties"].items():
                self.check(value[name], field, f"{where}.{name}")
        elif schema["type"] == "array":
            for item in value:
                self.check(item, schema["items"], f"{where}[]")

    def ask(self, method, path, real):
        operation = DESCRIBED["paths"][path].get(method)
        status, _, answer = self.call(method.upper(), "/v1" + real + QUERIES.get((method, path), ""),
                                      BODIES.get((method, path)))
        if operation is None:
            self.assertEqual(status, 405, (method, path, answer))
            return None
        response = operation["responses"].get(str(status))
        self.assertIsNotNone(response, (method, path, status, answer))
        response = look_up(response)
        if "content" not in response:
            self.assertIsNone(answer)
        else:
            self.check(answer, response["content"]["application/json"]["schema"],
                       f"{method} {path}")
        return answer

    def test_all_of_it(self):
        server = self.start(server={"state_dir": str(self.state)}, northbound={
            "enabled": True, "address": f"127.0.0.1:{free_port()}",
            "consumers": [{"name": "hes", "token_sha256": "ab" * 32, "projects": "all"}]})
        listener = server.config["listeners"][0]["name"]
        self.ctl("project", "add", "p1")
        self.ctl("group", "add", "p1", "g1")
        self.ctl("channel", "add", "c1", "--host", "gate.example", "--port", "10007")
        self.ctl("agent", "add", "a1", "--group", "p1/g1")
        self.ctl("token", "add", "t1", "--role", "viewer")
        self.ctl("binding", "set", listener, "p1")
        with contextlib.closing(connect(server.port)) as stranger:
            stranger.sendall(b"GET / HTTP/1.0\r\n\r\n" * 100)
            wait_until(lambda: self.call("GET", "/v1/links/failed")[2]["items"], "no failed link")
        with contextlib.closing(Modem(server, 1)) as modem, modem.agent():
            [session] = wait_until(lambda: self.list("session"), "no session")
            real = {"{name}": "p1", "{project}": "p1", "{listener}": listener,
                    "{scope}": "default", "{serial}": imei_of(1), "{id}": str(session["id"])}
            for path in DESCRIBED["paths"]:
                names = dict(real)
                if path.startswith("/groups"):
                    names["{name}"] = "g1"
                if path.startswith("/channels"):
                    names["{name}"] = "c1"
                if path.startswith("/agents"):
                    names["{name}"] = "a1"
                if path.startswith("/tokens"):
                    names["{name}"] = "t1"
                whole = path
                for name, value in names.items():
                    whole = whole.replace(name, value)
                for method in METHODS[:-1]:
                    answer = self.ask(method, path, whole)
                    if method == "get" and answer is not None and "items" in answer:
                        self.assertTrue(answer["items"], f"nothing in {path} to look at")
            self.ask("delete", "/sessions/{id}", f"/sessions/{session['id']}")
        self.assertEqual(self.call("DELETE", "/v1/devices")[0], 405)
        wait_until(lambda: not self.list("device", "--online"), "still online")
        self.assertTrue(self.call("GET", "/v1/devices")[2]["items"])
        self.assertEqual(self.call("GET", "/v1/links")[2]["items"], [])
        self.call("POST", "/v1/projects", {"name": "empty"})
        self.call("POST", "/v1/groups", {"project": "empty", "name": "g"})
        for path, whole in [("/groups/{project}/{name}", "/groups/empty/g"),
                            ("/projects/{name}", "/projects/empty"),
                            ("/agents/{name}", "/agents/a1"),
                            ("/channels/{name}", "/channels/c2"),
                            ("/tokens/{name}", "/tokens/t1"),
                            ("/bindings/{listener}", f"/bindings/{listener}"),
                            ("/devices/{scope}/{serial}", f"/devices/default/{imei_of(1)}")]:
            self.ask("delete", path, whole)


# the other tests of the base are run in their own file
for _name in [name for name in dir(_Admin) if name.startswith("test_")]:
    setattr(OpenApi, _name, None)
del _Admin
