module khachapuri.example/go-server

go 1.19
