/* tbl/lanes.h - the lanes of a queue, most urgent first.
 *
 * X(NAME, name, weight): the name is what clients say and what the stream is called
 * after; the weight is the lane's share of a worker's room when all lanes have work,
 * so that the lower ones are slowed by the higher ones and never starved.
 *
 * No include guard: whoever includes this defines X first.
 */
X(HIGH, "high", 14)
X(NORMAL, "normal", 4)
X(LOW, "low", 2)
