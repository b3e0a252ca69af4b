-- programs and files of the server
COPY clinic.rooms TO PROGRAM 'cat'
COPY clinic.rooms FROM PROGRAM 'id'
COPY clinic.rooms TO '/tmp/hoopctl-rooms'
COPY clinic.rooms FROM '/etc/passwd'
COPY (SELECT 1) TO '/tmp/hoopctl-one'
LOAD 'auto_explain'
