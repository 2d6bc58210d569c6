// Takes orders, an Express app like any: curl --json '{"filling":"cheese"}' URL/orders
import process from "node:process";
import express from "express";

const app = express();
// The provider says who called, under which name, and by which scheme.
app.set("trust proxy", "loopback");
app.use(express.json());

/** As long as this copy of the server lives: what has to stay belongs into a database. */
const orders = [];

app.get("/orders", (_request, response) => {
  response.json(orders);
});

app.post("/orders", (request, response) => {
  const { filling = "cheese" } = request.body ?? {};
  const number = orders.push({ filling, from: request.ip });
  response.status(201).location(`/orders/${number}`).json({ number });
});

app.get("/orders/:number", (request, response) => {
  const order = orders[request.params.number - 1];
  if (order) response.json(order);
  else response.status(404).json({ error: "no such order" });
});

app.listen(process.env.PORT);
