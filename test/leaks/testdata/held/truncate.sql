-- tables
TRUNCATE clinic.rooms
TRUNCATE TABLE ONLY clinic.rooms RESTART IDENTITY CASCADE
TRUNCATE clinic.rooms, clinic.departments
