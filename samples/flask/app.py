"""A guest book, a Flask app like any: curl -L -d name=Nino 'https://provider/{cid}/guests'"""

import sqlite3

from flask import Flask, redirect, request, url_for
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
# The provider says who called, by which scheme and name, and what stood before the path.
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)


def open_book():
    # Both workers see it, and it goes with them: what has to stay belongs into a database outside.
    book = sqlite3.connect("/tmp/book.db")
    book.execute("create table if not exists guests (name text)")
    return book


@app.get("/guests")
def guests():
    with open_book() as book:
        return [name for (name,) in book.execute("select name from guests")]


@app.post("/guests")
def sign():
    with open_book() as book:
        book.execute("insert into guests values (?)", [request.form["name"]])
    return redirect(url_for("guests"), 303)
