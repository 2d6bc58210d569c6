// A server of Go's own library: the time, once, or as server-sent events.
//
//	curl -N 'https://provider/{cid}/events?n=3'
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"
)

func main() {
	http.HandleFunc("/", tell)
	http.HandleFunc("/events", send)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

func tell(answer http.ResponseWriter, request *http.Request) {
	fmt.Fprintln(answer, time.Now().UTC().Format(time.RFC3339))
}

// Sends an event each second, until there were n of them or the caller has gone.
func send(answer http.ResponseWriter, request *http.Request) {
	n, err := strconv.Atoi(request.FormValue("n"))
	if err != nil {
		http.Error(answer, "how many? /events?n=3", http.StatusBadRequest)
		return
	}
	answer.Header().Set("Content-Type", "text/event-stream")
	for id := 1; id <= n; id++ {
		fmt.Fprintf(answer, "id: %d\ndata: %s\n\n", id, time.Now().UTC().Format("15:04:05"))
		answer.(http.Flusher).Flush()
		select {
		case <-request.Context().Done():
			return
		case <-time.After(time.Second):
		}
	}
}
