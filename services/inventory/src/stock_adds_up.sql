WITH held AS (
  SELECT line->>'sku' AS sku,
    sum((line->>'quantity')::bigint) FILTER (WHERE status = 'reserved') AS reserved,
    sum((line->>'quantity')::bigint) FILTER (WHERE status = 'shipped') AS shipped
  FROM (SELECT state->>'status' AS status, state->'lines' AS lines
        FROM (SELECT {state} AS state FROM reservations) AS told
        WHERE state->>'status' IN ('reserved', 'shipped')) AS holding,
    json_array_elements(lines) AS line
  GROUP BY 1
), level AS (
  SELECT sku, coalesce(available, 0) AS available, coalesce(stock.reserved, 0) AS reserved,
    coalesce(stock.shipped, 0) AS shipped, coalesce(received, 0) AS received,
    coalesce(held.reserved, 0)::bigint AS reserved_by_orders,
    coalesce(held.shipped, 0)::bigint AS shipped_by_orders
  FROM stock FULL JOIN held USING (sku)
)
SELECT format('%s: %s available + %s reserved + %s shipped, of %s received; orders hold %s reserved and '
  '%s shipped', sku, available, reserved, shipped, received, reserved_by_orders, shipped_by_orders)
FROM level
WHERE available + reserved + shipped <> received OR least(available, reserved, shipped) < 0
  OR reserved <> reserved_by_orders OR shipped <> shipped_by_orders
ORDER BY sku
